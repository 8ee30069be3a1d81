import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// A file that is pushed as it is.
struct FileContent: UploadContent {
    let path: String
    let size: Int64

    init(_ path: String) throws(OrchError) {
        self.path = path
        guard let size = Files.size(path) else { throw OrchError(.notFound, "there is no file \(path.quotedOneLine)") }
        self.size = size
    }

    func read(from offset: Int64, upTo count: Int) throws(OrchError) -> [UInt8] {
        try Self.read(path, from: offset, upTo: Int(min(Int64(count), size - offset)))
    }

    static func read(_ path: String, from offset: Int64, upTo count: Int) throws(OrchError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let read: Int
        do throws(SystemError) {
            let file = try Descriptor(opening: path, .read)
            let number = file.number
            read = try retrying("pread", path) {
                bytes.withUnsafeMutableBytes { pread(number, $0.baseAddress, count, off_t(offset)) }
            }
        } catch {
            throw OrchError(.failed, "\(path) cannot be read: \(error.reason)", cause: error)
        }
        guard read > 0 else {
            throw OrchError(.conflict, "\(path) has become shorter while it was pushed: push it again")
        }
        bytes.removeSubrange(read...)
        return bytes
    }

    /// Standard input, put down in a temporary file, so that it can be sent again when the connection breaks. The file has no
    /// name any more, and is gone when this program ends.
    static func ofStandardInput() throws(OrchError) -> FileContent {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        do throws(SystemError) {
            let name = "\(folder)/orch-push-\(UInt64.random(in: 0 ... .max))"
            let number = try retrying("open", name) { open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
            Files.remove(name)
            var chunk = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                let count = try retrying("read", "standard input") {
                    chunk.withUnsafeMutableBytes { Glibc.read(0, $0.baseAddress, $0.count) }
                }
                if count == 0 { break }
                try Descriptor.write(Array(chunk[0..<count]), to: number)
            }
            return try reading(number)
        } catch {
            throw OrchError(.failed, "what comes in cannot be kept in \(folder): \(error.reason)", cause: error)
        }
    }

    private static func reading(_ number: Int32) throws(SystemError) -> FileContent {
        do throws(OrchError) { return try FileContent("/proc/self/fd/\(number)") } catch {
            throw SystemError("open", "/proc/self/fd/\(number)")
        }
    }
}
