import Glibc
import NIOCore
import OrchModel
import OrchSystem
import Synchronization

/// The file of an upload, and the hash of what is in it. All but ``size`` blocks.
final class UploadFile: Sendable {
    private struct State: ~Copyable {
        let file: Descriptor
        var hash: ContentHash
        var size: Int64
        /// Bytes that the kernel was asked to write to the disk.
        var begun: Int64
        /// From now on nothing is added.
        var isClosed = false
    }

    /// The disk is kept busy while more comes, so that little is left to wait for at the end.
    private static let writeAhead: Int64 = 8 << 20

    let path: String
    private let state: Mutex<State>
    private let received: Atomic<Int64>

    init(path: String) throws {
        self.path = path
        state = Mutex(State(file: try Descriptor(opening: path, .create), hash: ContentHash(), size: 0, begun: 0))
        received = Atomic(0)
    }

    /// Goes on with a file that is there.
    init(goingOnAt path: String) throws {
        self.path = path
        let file = try Descriptor(opening: path, .readWrite)
        var hash = ContentHash()
        var size: Int64 = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try file.read(into: &chunk)
            if count == 0 { break }
            hash.update(chunk, count: count)
            size += Int64(count)
        }
        state = Mutex(State(file: file, hash: hash, size: size, begun: 0))
        received = Atomic(size)
    }

    /// How many bytes have come.
    var size: Int64 { received.load(ordering: .acquiring) }

    /// - Parameter offset: where it goes on, as far as the caller knows.
    /// - Throws: ``OrchError`` `conflict` when somebody else has gone on meanwhile, or it is over. A piece that could not be
    ///   written whole leaves nothing of itself.
    func append(_ bytes: ByteBuffer, at offset: Int64) throws {
        try state.withLock { state in
            guard !state.isClosed, state.size == offset else {
                throw OrchError(.conflict, "somebody else goes on with this upload")
            }
            let number = state.file.number
            do {
                try bytes.withUnsafeReadableBytes { bytes in
                    var written = 0
                    while written < bytes.count {
                        written += try retrying("pwrite", path) {
                            pwrite(
                                number, bytes.baseAddress?.advanced(by: written), bytes.count - written,
                                off_t(offset) + off_t(written))
                        }
                    }
                    state.hash.update(bytes)
                }
            } catch {
                ftruncate(number, off_t(offset))
                throw error
            }
            state.size += Int64(bytes.readableBytes)
            received.store(state.size, ordering: .releasing)
            if state.size - state.begun >= Self.writeAhead {
                state.file.startWriting(from: state.begun, count: state.size - state.begun)
                state.begun = state.size
            }
        }
    }

    /// Ends it and gives its room back, whoever holds it still.
    func discard() {
        state.withLock { state in
            state.isClosed = true
            ftruncate(state.file.number, 0)
        }
        Files.remove(path)
    }

    /// Makes the file content of the store.
    ///
    /// - Throws: ``OrchError`` `invalidRequest` when its digest is not the one that is wanted.
    func finish(as wanted: Digest?, in store: BlobStore) throws -> Digest {
        try state.withLock { state in
            state.isClosed = true
            let digest = state.hash.finish()
            if let wanted, wanted != digest {
                throw OrchError(
                    .invalidRequest, "what came has the digest \(digest), not \(wanted): it was changed on its way")
            }
            if store.has(digest) {
                store.touch(digest)
                Files.remove(path)
                return digest
            }
            let number = state.file.number
            try retrying("fsync", path) { fsync(number) }
            try store.adopt(path, as: digest)
            store.noteRight(digest)
            return digest
        }
    }
}
