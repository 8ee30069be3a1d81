import Glibc
import OrchModel
import OrchSystem
import Synchronization

/// Content on disk by its digest: written as a whole or not at all, kept once, checked when it is read.
///
/// All of its functions block.
final class BlobStore: Sendable {
    /// What a file was when its content was found right.
    private struct Signature: Equatable {
        var inode: UInt64
        var size: Int64
        var changed: Int
    }

    private let folder: String
    private let checked = Mutex<[Digest: Signature]>([:])

    /// - Parameter folder: made where it is missing.
    init(folder: String) throws(SystemError) {
        self.folder = folder
        try Files.makeFolder(folder)
    }

    func path(of digest: Digest) -> String { "\(folder)/\(digest.hex)" }

    /// Bytes; `nil` when it is not there.
    func size(of digest: Digest) -> Int64? { Files.size(path(of: digest)) }

    func has(_ digest: Digest) -> Bool { size(of: digest) != nil }

    /// Says that somebody is about to refer to it, which keeps it from being collected for a while.
    func touch(_ digest: Digest) {
        let before = signature(of: digest)
        utimes(path(of: digest), nil)
        let after = signature(of: digest)
        checked.withLock { if $0[digest] == before { $0[digest] = after } }
    }

    /// When it was last written or referred to.
    func touchedAt(_ digest: Digest) -> Timestamp? {
        var status = stat()
        guard stat(path(of: digest), &status) == 0 else { return nil }
        return Timestamp(seconds: Int64(status.st_mtim.tv_sec))
    }

    /// Where a file is written that becomes content; no two are the same.
    func temporaryPath() -> String { "\(folder)/\(UInt64.random(in: 0 ... .max)).new" }

    /// Files that an agent which was killed has left, and content that was damaged.
    func removeLeftovers(olderThan limit: Timestamp) {
        for name in Files.list(folder) where Digest(hex: name) == nil {
            var status = stat()
            guard stat("\(folder)/\(name)", &status) == 0, Timestamp(seconds: Int64(status.st_mtim.tv_sec)) < limit
            else {
                continue
            }
            Files.remove("\(folder)/\(name)")
        }
    }

    var all: [Digest] { Files.list(folder).compactMap(Digest.init(hex:)) }

    func remove(_ digest: Digest) {
        Files.remove(path(of: digest))
        checked.withLock { $0[digest] = nil }
    }

    /// Takes over a file that is on disk for good, whose content was hashed while it was written.
    func adopt(_ path: String, as digest: Digest) throws(SystemError) {
        // Nobody may write it any more: it is what its name says.
        try retrying("chmod", path) { chmod(path, 0o400) }
        try Files.rename(path, to: self.path(of: digest))
        let parent = try Descriptor(opening: folder, .directory)
        try retrying("fsync", folder) { fsync(parent.number) }
    }

    func write(_ bytes: [UInt8]) throws(SystemError) -> Digest {
        let digest = ContentHash.digest(of: bytes)
        if has(digest) {
            touch(digest)
        } else {
            let temporary = temporaryPath()
            do throws(SystemError) {
                let file = try Descriptor(opening: temporary, .create)
                try file.write(bytes)
                let number = file.number
                try retrying("fsync", temporary) { fsync(number) }
                try adopt(temporary, as: digest)
            } catch {
                Files.remove(temporary)
                throw error
            }
        }
        return digest
    }

    /// The whole content, where it is small.
    ///
    /// - Throws: ``OrchError``: `notFound`, or `failed` when it is damaged or larger than `limit` bytes.
    func read(_ digest: Digest, upTo limit: Int) throws -> [UInt8] {
        guard let size = size(of: digest) else { throw Self.missing(digest) }
        guard size <= limit else { throw OrchError(.failed, "\(digest) is larger than \(limit) bytes") }
        let bytes = try Files.read(path(of: digest))
        guard ContentHash.digest(of: bytes) == digest else { throw setAside(digest) }
        return bytes
    }

    /// Finds out whether the content is what the digest says; not again while the file stays as it is.
    ///
    /// - Throws: ``OrchError``: `notFound`, or `failed` when it is damaged.
    func verify(_ digest: Digest) throws {
        guard let signature = signature(of: digest) else { throw Self.missing(digest) }
        if checked.withLock({ $0[digest] }) == signature { return }
        let file = try Descriptor(opening: path(of: digest), .read)
        var hash = ContentHash()
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try file.read(into: &chunk)
            if count == 0 { break }
            hash.update(chunk, count: count)
        }
        guard hash.finish() == digest else { throw setAside(digest) }
        noteRight(digest)
    }

    /// Remembers that the content was just found right.
    func noteRight(_ digest: Digest) {
        guard let signature = signature(of: digest) else { return }
        checked.withLock { $0[digest] = signature }
    }

    private func signature(of digest: Digest) -> Signature? {
        var status = stat()
        guard stat(path(of: digest), &status) == 0 else { return nil }
        // The time of the last change of its state, which nobody can set.
        return Signature(
            inode: UInt64(status.st_ino), size: Int64(status.st_size),
            changed: status.st_ctim.tv_sec &* 1_000_000_000 &+ status.st_ctim.tv_nsec)
    }

    /// Content that is not what it is called is no longer handed out: it can be pushed again.
    func setAside(_ digest: Digest) -> OrchError {
        try? Files.rename(path(of: digest), to: "\(path(of: digest)).damaged")
        checked.withLock { $0[digest] = nil }
        return OrchError(.failed, "\(digest) is damaged on the agent's disk: push it again")
    }

    static func missing(_ digest: Digest) -> OrchError {
        OrchError(.notFound, "the repository does not have \(digest)")
    }
}
