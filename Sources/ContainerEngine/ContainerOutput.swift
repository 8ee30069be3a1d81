import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import OrchModel

/// Takes apart a stream of output: frames with a head of eight bytes, which tells the stream and the length (Docker
/// Engine API, "Stream format" of attaching to a container).
package struct OutputDecoder {
    package struct Frame: Sendable {
        package var stream: OutputEntry.Stream
        package var bytes: [UInt8]
    }

    /// Longer frames are no frames, in bytes: engines split lines at 16 KiB.
    private static let longest = 64 << 20

    private var buffer = ByteBuffer()

    package init() {}

    package mutating func add(_ bytes: ByteBuffer) {
        var bytes = bytes
        buffer.writeBuffer(&bytes)
    }

    /// - Returns: `nil` until more has come.
    /// - Throws: `failed` for what is no such stream.
    package mutating func next() throws(OrchError) -> Frame? {
        let start = buffer.readerIndex
        guard let stream = buffer.getInteger(at: start, as: UInt8.self),
            let length = buffer.getInteger(at: start + 4, as: UInt32.self)
        else { return nil }
        guard stream <= 2, length <= Self.longest else {
            throw OrchError(.failed, "the container engine sends output in a form that is not known")
        }
        guard buffer.readableBytes >= 8 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 8)
        let bytes = buffer.readBytes(length: Int(length)) ?? []
        buffer.discardReadBytes()
        return Frame(stream: stream == 2 ? .error : .output, bytes: bytes)
    }
}

extension OutputEntry {
    /// Reads `RFC3339Nano text`, which ends with a line end unless the line goes on.
    init?(_ frame: OutputDecoder.Frame) {
        guard let space = frame.bytes.firstIndex(of: UInt8(ascii: " ")),
            let at = frame.bytes[..<space].withUnsafeBytes({ Timestamp(rfc3339Bytes: $0) })
        else { return nil }
        var text = frame.bytes[(space + 1)...]
        let isPartial = text.last != UInt8(ascii: "\n")
        if !isPartial { text.removeLast() }
        self.init(at: at, stream: frame.stream, isPartial: isPartial, text: Array(text))
    }
}

extension EngineClient {
    /// Hands on what a container has printed from a time on, and then what it prints, until it ends.
    ///
    /// - Parameter since: entries of just this time are among them.
    package func followOutput(
        of id: String, since: Timestamp?, _ body: ([OutputEntry]) async throws -> Void
    ) async throws(OrchError) {
        var query = [("follow", "1"), ("stdout", "1"), ("stderr", "1"), ("timestamps", "1")]
        if let since {
            let fraction = String(since.nanoseconds - since.seconds * 1_000_000_000)
            query.append(("since", "\(since.seconds).\(String(repeating: "0", count: 9 - fraction.count))\(fraction)"))
        }
        try await stream(.GET, "/containers/\(id.percentEncoded)/logs", query: query) { chunks in
            var decoder = OutputDecoder()
            for try await chunk in chunks {
                decoder.add(chunk)
                var entries: [OutputEntry] = []
                while let frame = try decoder.next() {
                    if let entry = OutputEntry(frame) { entries.append(entry) }
                }
                if !entries.isEmpty { try await body(entries) }
            }
        }
    }
}
