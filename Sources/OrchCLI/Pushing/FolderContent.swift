import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// A folder as a tar archive that is nowhere: what of it is read is put together then. Equal folders give equal archives.
struct FolderContent: UploadContent {
    private enum Part {
        case bytes([UInt8])
        case file(path: String, size: Int64)

        var size: Int64 {
            switch self {
            case .bytes(let bytes): Int64(bytes.count)
            case .file(_, let size): size
            }
        }
    }

    private static let ignoreFile = ".orchignore"

    let size: Int64
    private let parts: [(start: Int64, part: Part)]

    /// Leaves out `.git`, and what the patterns in `.orchignore` name, one a line (fnmatch(3)): a path from the folder on, or a
    /// name anywhere.
    ///
    /// - Throws: `invalidRequest` for what no archive holds, such as a device.
    init(_ folder: String) throws(OrchError) {
        let patterns = ((try? Files.readText("\(folder)/\(Self.ignoreFile)")) ?? "").split(separator: "\n")
            .map(String.init).filter { !$0.isEmpty && !$0.hasPrefix("#") }
        var collected: [Part] = []
        try Self.collect(folder, "", [".git", Self.ignoreFile] + patterns, into: &collected)
        collected.append(.bytes(TarHeader.end))
        var start: Int64 = 0
        var parts: [(Int64, Part)] = []
        for part in collected where part.size > 0 {
            parts.append((start, part))
            start += part.size
        }
        self.parts = parts
        size = start
    }

    private static func collect(_ folder: String, _ below: String, _ ignored: [String], into parts: inout [Part])
        throws(OrchError)
    {
        let names: [String]
        do throws(SystemError) { names = try Files.listing("\(folder)/\(below)") } catch {
            throw OrchError(.notFound, "\(folder)/\(below) cannot be read: \(error.reason)", cause: error)
        }
        for name in names {
            let path = below.isEmpty ? name : "\(below)/\(name)"
            if ignored.contains(where: { fnmatch($0, path, FNM_PATHNAME) == 0 || fnmatch($0, name, 0) == 0 }) {
                continue
            }
            var status = stat()
            guard lstat("\(folder)/\(path)", &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                parts.append(.bytes(TarHeader.bytes(path, .folder)))
                try collect(folder, path, ignored, into: &parts)
            case S_IFLNK:
                let target = Files.linkTarget("\(folder)/\(path)") ?? ""
                parts.append(.bytes(TarHeader.bytes(path, .symbolicLink(target: target))))
            case S_IFREG:
                let size = Int64(status.st_size)
                parts.append(.bytes(TarHeader.bytes(path, .file(size: size, isProgram: status.st_mode & 0o111 != 0))))
                parts.append(.file(path: "\(folder)/\(path)", size: size))
                parts.append(.bytes(TarHeader.padding(after: size)))
            default:
                throw OrchError(
                    .invalidRequest,
                    "\(folder)/\(path) is neither a file nor a folder nor a link: name it in \(ignoreFile)")
            }
        }
    }

    func read(from offset: Int64, upTo count: Int) throws(OrchError) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = firstPart(at: offset)
        var place = offset
        while bytes.count < count, index < parts.count {
            let (start, part) = parts[index]
            let inner = place - start
            let wanted = Int(min(Int64(count - bytes.count), part.size - inner))
            switch part {
            case .bytes(let all): bytes += all[Int(inner)..<(Int(inner) + wanted)]
            case .file(let path, let size):
                guard Files.size(path) == size else {
                    throw OrchError(.conflict, "\(path) was changed while it was pushed: push it again")
                }
                bytes += try FileContent.read(path, from: inner, upTo: wanted)
            }
            place = offset + Int64(bytes.count)
            if place == start + part.size { index += 1 }
        }
        return bytes
    }

    /// The last part that begins at or before a place.
    private func firstPart(at offset: Int64) -> Int {
        var (low, high) = (0, parts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if parts[middle].start <= offset { low = middle } else { high = middle }
        }
        return low
    }
}
