import Glibc
package import NIOCore
package import OrchModel
import OrchSystem
import Synchronization

/// Reads a file of the repository bit by bit. One task at a time.
package final class BlobReader: Sendable {
    private struct State: ~Copyable {
        let file: Descriptor
        var offset: Int64
        /// Of the whole content; `nil` where only a part is read, or nothing tells what it must be.
        var hash: ContentHash?
    }

    private static let chunk = 512 * 1024

    /// Bytes of the file.
    package let size: Int64
    /// What is read of it.
    package let range: Range<Int64>
    private let digest: Digest?
    private let store: BlobStore?
    private let state: Mutex<State>

    /// - Throws: ``OrchError``: `notFound`, or `failed` when a part is wanted and the whole is damaged.
    convenience init(_ digest: Digest, in store: BlobStore, range: Range<Int64>? = nil) throws {
        guard let size = store.size(of: digest) else { throw BlobStore.missing(digest) }
        let range = range ?? 0..<size
        // A part cannot be told right or wrong by itself.
        if range != 0..<size { try store.verify(digest) }
        try self.init(path: store.path(of: digest), size: size, range: range, digest: digest, store: store)
    }

    /// Reads a file that has no digest.
    convenience init(path: String, range: Range<Int64>?) throws {
        let size = Files.size(path) ?? 0
        try self.init(path: path, size: size, range: range ?? 0..<size, digest: nil, store: nil)
    }

    private init(path: String, size: Int64, range: Range<Int64>, digest: Digest?, store: BlobStore?) throws {
        self.size = size
        self.range = range
        self.digest = digest
        self.store = store
        let file = try Descriptor(opening: path, .read)
        let number = file.number
        try retrying("lseek", path) { lseek(number, off_t(range.lowerBound), SEEK_SET) }
        let isChecked = digest != nil && range == 0..<size
        state = Mutex(State(file: file, offset: range.lowerBound, hash: isChecked ? ContentHash() : nil))
    }

    /// The next bytes; `nil` at the end.
    ///
    /// - Throws: `failed` instead of the last bytes when the content is damaged.
    package func next() async throws(OrchError) -> ByteBuffer? {
        try await FileWork.run { try self.readNext() }
    }

    private func readNext() throws -> ByteBuffer? {
        try state.withLock { state in
            let wanted = Int(Swift.min(Int64(Self.chunk), range.upperBound - state.offset))
            guard wanted > 0 else { return nil }
            var buffer = ByteBufferAllocator().buffer(capacity: wanted)
            let number = state.file.number
            let count = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { bytes in
                try retrying("read") { Glibc.read(number, bytes.baseAddress, wanted) }
            }
            guard count > 0 else { throw OrchError(.failed, "the file has become shorter while it was read") }
            state.offset += Int64(count)
            buffer.withUnsafeReadableBytes { state.hash?.update($0) }
            if state.offset == range.upperBound, let hash = state.hash, let digest, let store {
                guard hash.finish() == digest else { throw store.setAside(digest) }
                store.noteRight(digest)
            }
            return buffer
        }
    }
}

/// All that is left, in order.
extension BlobReader: AsyncSequence {
    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let reader: BlobReader

        package mutating func next() async throws -> ByteBuffer? { try await reader.next() }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: self) }
}
