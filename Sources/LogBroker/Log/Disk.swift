import Glibc
import NIOCore
import OrchModel
import OrchSystem

/// The file operations that the log is made of. Tests put one in its place that fails, and forgets as a machine without
/// power does.
protocol Disk: Sendable {
    func makeFolder(_ path: String) throws(SystemError)
    /// The names in a folder; empty when there is no such folder, and only then.
    func list(_ folder: String) throws(SystemError) -> [String]
    func isFolder(_ path: String) -> Bool
    /// Opens for reading and writing; made when it does not exist.
    func open(_ path: String) throws(SystemError) -> any DiskFile
    /// The whole content; `nil` when there is no such file, and only then.
    func read(_ path: String) throws(SystemError) -> [UInt8]?
    /// Puts a new content in place, so that after any crash either the old or the new one is there.
    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError)
    func rename(_ path: String, to target: String) throws(SystemError)
    func remove(_ path: String)
    func removeTree(_ path: String)
    /// Makes the names in a folder survive a crash of the machine: those of new files do not by themselves.
    func syncFolder(_ path: String) throws(SystemError)
}

/// An open file. Nothing that was written survives a crash of the machine before ``sync()`` has returned.
protocol DiskFile: AnyObject {
    var size: Int { get }
    /// - Returns: fewer bytes than asked for only at the end.
    func read(at position: Int, count: Int) throws(SystemError) -> ByteBuffer
    func write(_ bytes: ByteBuffer, at position: Int) throws(SystemError)
    func truncate(to size: Int) throws(SystemError)
    func sync() throws(SystemError)
}

/// The disk of this machine.
struct LocalDisk: Disk {
    func makeFolder(_ path: String) throws(SystemError) { try Files.makeFolder(path) }
    func list(_ folder: String) throws(SystemError) -> [String] { try Files.listing(folder) }
    func isFolder(_ path: String) -> Bool { Files.isFolder(path) }
    func open(_ path: String) throws(SystemError) -> any DiskFile { try LocalFile(path) }

    func read(_ path: String) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try Files.read(path)
        } catch  where error.errno == ENOENT {
            return nil
        }
    }

    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try Files.replace(path, with: bytes, durable: true)
    }

    func rename(_ path: String, to target: String) throws(SystemError) {
        try retrying("rename", path) { Glibc.rename(path, target) }
    }

    func remove(_ path: String) { Files.remove(path) }
    func removeTree(_ path: String) { Files.removeTree(path) }

    func syncFolder(_ path: String) throws(SystemError) {
        let folder = try Descriptor(opening: path, .directory)
        try retrying("fsync", path) { fsync(folder.number) }
    }
}

private final class LocalFile: DiskFile {
    private let path: String
    private let descriptor: Descriptor

    init(_ path: String) throws(SystemError) {
        self.path = path
        descriptor = try Descriptor(opening: path, .readWrite)
    }

    var size: Int { Int(Files.size(path) ?? 0) }

    func read(at position: Int, count: Int) throws(SystemError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        let number = descriptor.number
        while buffer.readableBytes < count {
            let from = position + buffer.readableBytes
            let wanted = count - buffer.readableBytes
            let got = try retrying("pread", path) {
                var result = 0
                buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { memory in
                    result = pread(number, memory.baseAddress, wanted, from)
                    return max(0, result)
                }
                return result
            }
            if got == 0 { break }
        }
        return buffer
    }

    func write(_ bytes: ByteBuffer, at position: Int) throws(SystemError) {
        var rest = bytes
        var position = position
        let number = descriptor.number
        while rest.readableBytes > 0 {
            let count = try retrying("pwrite", path) {
                rest.withUnsafeReadableBytes { pwrite(number, $0.baseAddress, $0.count, position) }
            }
            rest.moveReaderIndex(forwardBy: count)
            position += count
        }
    }

    func truncate(to size: Int) throws(SystemError) {
        let number = descriptor.number
        try retrying("ftruncate", path) { ftruncate(number, size) }
    }

    func sync() throws(SystemError) {
        let number = descriptor.number
        try retrying("fdatasync", path) { fdatasync(number) }
    }
}
