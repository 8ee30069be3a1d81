import NIOCore
import NIOHTTP1
package import OrchModel
import OrchSystem
import Synchronization

/// Content that can be read from any place on, again and again.
package protocol UploadContent: Sendable {
    /// In bytes.
    var size: Int64 { get }
    /// Bytes from a place on, at least one unless that is the end. Blocks.
    func read(from offset: Int64, upTo count: Int) throws(OrchError) -> [UInt8]
}

extension AgentClient {
    /// How long an agent that is away is waited for.
    private static let patience = Duration.seconds(60)

    /// Uploads content into the repository, and goes on where it was when the connection breaks.
    ///
    /// - Parameter progress: told how many bytes have been sent.
    /// - Throws: `unavailable` when the agent stays away, and what the agent says against it.
    package func upload(
        _ content: some UploadContent, progress: @escaping @Sendable (Int64) -> Void
    ) async throws(OrchError) -> Digest {
        let reader = UploadReader(content, progress: progress)
        var place = ""
        var deadline = ContinuousClock.now + Self.patience
        var best: Int64 = 0
        while true {
            do throws(OrchError) {
                // All names share one store, so any name does.
                if place.isEmpty { place = try await answerHead("POST", "/v2/orch/blobs/uploads/").place }
                let offset = try await answerHead("GET", place).received
                if offset > best {
                    best = offset
                    deadline = .now + Self.patience
                }
                reader.move(to: offset)
                if offset < content.size { _ = try await answerHead("PATCH", place, sending: reader) }
                let digest = try reader.digest()
                _ = try await answerHead("PUT", place, query: [("digest", digest.rawValue)])
                return digest
            } catch  where error.code == .unavailable && .now < deadline {
                do { try await Task.sleep(for: .milliseconds(200)) } catch { throw translate(error) }
            } catch  where error.code == .notFound && !place.isEmpty && .now < deadline {
                // The agent has forgotten what there was.
                place = ""
            }
        }
    }

    /// Sends content once, where it cannot be gone on with.
    package func upload(
        _ content: some UploadContent, to path: String, query: [(String, String)]
    ) async throws(OrchError) {
        let reader = UploadReader(content) { _ in }
        _ = try await answerHead("PUT", path, query: query, sending: reader)
    }

    private struct UploadState {
        var place: String
        var received: Int64
    }

    /// - Parameter reader: gives the body.
    private func answerHead(
        _ method: String, _ path: String, query: [(String, String)] = [], sending reader: UploadReader? = nil
    ) async throws(OrchError) -> UploadState {
        do {
            var request = try request(method, path, query, nil)
            if let reader {
                request.head.headers.replaceOrAdd(name: "content-length", value: String(reader.remaining))
                request.head.headers.add(name: "content-type", value: "application/octet-stream")
                request.head.headers.add(name: "content-range", value: reader.range)
            }
            let content: (@Sendable () throws -> ByteBuffer?)? = reader.map { reader in
                { @Sendable in try reader.next() }
            }
            return try await HTTPConnection.exchange(request, at: door, sending: content) { head, body in
                let bytes = try await body.collect(upTo: Self.largestAnswer)
                if head.status == .rangeNotSatisfiable {
                    throw OrchError(.unavailable, "the agent still takes what was sent before")
                }
                try Self.check(head.status, bytes)
                return UploadState(
                    place: head.headers.first(name: "location") ?? "",
                    received: head.headers.first(name: "upload-offset").flatMap { Int64($0) } ?? 0)
            }
        } catch {
            throw translate(error)
        }
    }
}

/// Reads content in order for sending, and hashes it once, also where a part is sent again.
private final class UploadReader: Sendable {
    private struct State {
        var offset: Int64 = 0
        var hashed: Int64 = 0
        var hash = ContentHash()
    }

    private static let piece = 1 << 20

    private let content: any UploadContent
    private let progress: @Sendable (Int64) -> Void
    private let state = Mutex(State())

    init(_ content: any UploadContent, progress: @escaping @Sendable (Int64) -> Void) {
        self.content = content
        self.progress = progress
    }

    var remaining: Int64 { state.withLock { content.size - $0.offset } }
    var range: String { state.withLock { "\($0.offset)-\(content.size - 1)" } }

    func move(to offset: Int64) { state.withLock { $0.offset = min(offset, content.size) } }

    func next() throws -> ByteBuffer? {
        try state.withLock { state in
            guard let bytes = try read(&state) else { return nil }
            progress(state.offset)
            return ByteBuffer(bytes: bytes)
        }
    }

    /// Of the whole content; what was not sent from here is read for it.
    func digest() throws(OrchError) -> Digest {
        try state.withLock { state throws(OrchError) in
            state.offset = state.hashed
            while try read(&state) != nil {}
            return state.hash.finish()
        }
    }

    private func read(_ state: inout State) throws(OrchError) -> [UInt8]? {
        guard state.offset < content.size else { return nil }
        let bytes = try content.read(from: state.offset, upTo: Self.piece)
        let isNew = state.offset...(state.offset + Int64(bytes.count)) ~= state.hashed
        if isNew {
            let known = Int(state.hashed - state.offset)
            bytes.withUnsafeBytes { state.hash.update(UnsafeRawBufferPointer(rebasing: $0[known...])) }
            state.hashed = state.offset + Int64(bytes.count)
        }
        state.offset += Int64(bytes.count)
        return bytes
    }
}
