import Glibc
import Logging
package import NIOCore
package import OrchModel
import OrchSystem

/// Uploads that go on, each of them a file that grows. They outlive broken connections and the agent, and are forgotten when
/// nothing has come for a day.
package actor Uploads {
    package static let patience = TimeSpan.seconds(86_400)
    /// Bytes that are written at once.
    private static let piece = 1 << 20
    /// Each has a file open.
    private static let most = 256

    private let folder: String
    private let store: BlobStore
    /// Bytes that an artifact may have.
    private let limit: Int64
    private var sessions: [String: UploadFile] = [:]
    private var finishing: Set<String> = []
    private var generator = SystemRandomNumberGenerator()

    init(folder: String, store: BlobStore, limit: Int64) throws(SystemError) {
        self.folder = folder
        self.store = store
        self.limit = limit
        try Files.makeFolder(folder)
    }

    /// - Returns: the name of a new upload.
    package func begin() async throws(OrchError) -> String {
        guard sessions.count < Self.most else {
            throw OrchError(.unavailable, "\(Self.most) uploads go on already: try again when some are over")
        }
        let (high, low) = (generator.next(), generator.next())
        let id = String(high, radix: 36) + String(low, radix: 36)
        let path = "\(folder)/\(id)"
        sessions[id] = try await FileWork.run { try UploadFile(path: path) }
        return id
    }

    /// How many bytes have come.
    ///
    /// - Throws: `notFound` for an upload that is not known or over.
    package func size(of id: String) async throws(OrchError) -> Int64 { try await session(id).size }

    /// Takes what comes, in order.
    ///
    /// - Parameter offset: of the first byte; `nil` for wherever it goes on.
    /// - Returns: how many bytes have come altogether.
    /// - Throws: `conflict` when the offset is another one; what came before an error is kept, unless the disk is full or the
    ///   content too large.
    package func append<Bytes: AsyncSequence>(_ bytes: Bytes, to id: String, at offset: Int64? = nil)
        async throws -> Int64 where Bytes.Element == ByteBuffer
    {
        let session = try await session(id)
        if let offset, offset != session.size {
            throw OrchError(.conflict, "the upload goes on at byte \(session.size), not \(offset)")
        }
        var place = session.size
        var piece = ByteBuffer()
        do {
            for try await var buffer in bytes {
                if piece.readableBytes == 0 { piece = buffer } else { piece.writeBuffer(&buffer) }
                if piece.readableBytes >= Self.piece { try await write(&piece, at: &place, to: session) }
            }
        } catch let error as OrchError {
            if error.code != .conflict { await cancel(id) }
            throw error
        } catch {
            // The connection broke: what has come of it counts.
            try await write(&piece, at: &place, to: session)
            throw error
        }
        do throws(OrchError) {
            try await write(&piece, at: &place, to: session)
        } catch {
            if error.code != .conflict { await cancel(id) }
            throw error
        }
        return session.size
    }

    private nonisolated func write(_ piece: inout ByteBuffer, at place: inout Int64, to session: UploadFile)
        async throws(OrchError)
    {
        guard piece.readableBytes > 0 else { return }
        guard session.size + Int64(piece.readableBytes) <= limit else {
            throw OrchError(
                .invalidRequest,
                "this is larger than the \(ByteSize(bytes: limit)) that the agent takes: start it with a larger --artifact-size"
            )
        }
        let bytes = piece
        piece = ByteBuffer()
        let offset = place
        try await FileWork.run { try session.append(bytes, at: offset) }
        place += Int64(bytes.readableBytes)
    }

    /// Ends an upload: from now on its content is there.
    ///
    /// - Parameter digest: what it must be; `nil` for whatever it is.
    /// - Throws: `invalidRequest` when the content has another digest; then nothing of it is kept.
    @discardableResult
    package func finish(_ id: String, digest: Digest? = nil) async throws(OrchError) -> Digest {
        let session = try await session(id)
        let store = store
        do throws(OrchError) {
            // Nobody may begin it anew from its file while that becomes content.
            finishing.insert(id)
            defer { finishing.remove(id) }
            sessions[id] = nil
            return try await FileWork.runLong { try session.finish(as: digest, in: store) }
        } catch {
            await FileWork.discard(session.path)
            throw error
        }
    }

    package func cancel(_ id: String) async {
        guard let session = sessions.removeValue(forKey: id) else { return }
        _ = try? await FileWork.run { session.discard() }
    }

    private func session(_ id: String) async throws(OrchError) -> UploadFile {
        if let known = sessions[id] { return known }
        let path = "\(folder)/\(id)"
        guard !id.isEmpty, !finishing.contains(id), id.utf8.allSatisfy(\.isAlphanumeric), Files.exists(path) else {
            throw OrchError(.notFound, "there is no such upload: it is over, or nothing has come of it for too long")
        }
        // An agent before this one began it.
        let session = try await FileWork.runLong { try UploadFile(goingOnAt: path) }
        if let known = sessions[id] { return known }
        sessions[id] = session
        return session
    }

    /// Forgets uploads of which nothing has come for a while.
    func removeOld(_ patience: TimeSpan = patience) async {
        for id in Files.list(folder) {
            let path = "\(folder)/\(id)"
            var status = stat()
            guard stat(path, &status) == 0,
                Timestamp(seconds: Int64(status.st_mtim.tv_sec)) < Timestamp.now() - patience
            else { continue }
            sessions[id] = nil
            await FileWork.discard(path)
        }
    }
}

extension FileWork {
    static func discard(_ path: String) async { _ = try? await run { Files.remove(path) } }
}
