import Glibc

/// Keeps a second process out of a folder for as long as this one lives, however it ends.
package struct FolderLock: ~Copyable, Sendable {
    private let file: Descriptor

    private init(_ file: consuming Descriptor) { self.file = file }

    /// - Returns: `nil` when another process holds it.
    package static func take(_ path: String) throws(SystemError) -> FolderLock? {
        let file = try Descriptor(opening: path, .readWrite)
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
        ftruncate(file.number, 0)
        try file.write(Array("\(getpid())\n".utf8))
        return FolderLock(file)
    }
}
