import OrchModel
import OrchSystem

/// How a log lies on disk before it is shipped: segments in a folder, named by the number of their first entry in 20
/// digits; each entry a line `RFC3339Nano stream P|F text` (the CRI log format). `orch-shim` writes the same.
enum SpoolFormat {
    static func fileName(_ firstEntry: Int64) -> String {
        let digits = String(firstEntry)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".log"
    }

    /// The numbers of the first entries of a folder's segments, in order.
    static func segments(in folder: String) -> [Int64] {
        Files.list(folder).compactMap { $0.count == 24 && $0.hasSuffix(".log") ? Int64($0.dropLast(4)) : nil }.sorted()
    }
}

/// One entry of a spool; `text` points into the bytes it was parsed from.
struct SpoolEntry {
    var at: Timestamp
    var stream: String
    var isPartial: Bool
    var text: Range<Int>

    /// - Parameter line: the range of a line without its end. A line in another form is taken as text as it stands.
    init(_ bytes: UnsafeRawBufferPointer, line: Range<Int>, fallback: Timestamp) {
        let parts = bytes[line]
        if let first = parts.firstIndex(of: UInt8(ascii: " ")),
            let second = parts[(first + 1)...].firstIndex(of: UInt8(ascii: " ")), second + 2 < line.upperBound,
            bytes[second + 2] == UInt8(ascii: " "),
            let at = Timestamp(rfc3339Bytes: UnsafeRawBufferPointer(rebasing: bytes[line.lowerBound..<first]))
        {
            self.at = at
            stream =
                bytes[first + 1] == UInt8(ascii: "s") && second - first == 7 && bytes[first + 4] == UInt8(ascii: "e")
                ? "stderr" : "stdout"
            isPartial = bytes[second + 1] == UInt8(ascii: "P")
            text = (second + 3)..<line.upperBound
        } else {
            at = fallback
            stream = "stdout"
            isPartial = false
            text = line
        }
    }
}

package enum SpoolTail {
    /// The last lines that an instance has written, oldest first. Blocks.
    ///
    /// - Parameter folder: the instance's spool.
    package static func lines(in folder: String, count: Int) -> [String] {
        var lines: [String] = []
        for segment in SpoolFormat.segments(in: folder).reversed() {
            guard lines.count < count, let bytes = try? Files.read("\(folder)/\(SpoolFormat.fileName(segment))") else {
                break
            }
            let found = bytes.withUnsafeBytes { buffer in
                bytes.split(separator: UInt8(ascii: "\n")).suffix(count - lines.count).map { line in
                    let entry = SpoolEntry(
                        buffer, line: line.startIndex..<line.endIndex, fallback: Timestamp(nanoseconds: 0))
                    return String(decoding: buffer[entry.text], as: UTF8.self)
                }
            }
            lines = found + lines
        }
        return lines
    }
}
