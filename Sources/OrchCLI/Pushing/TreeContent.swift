import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// A folder or file as a tar archive that is nowhere: what of it is read is put together then.
struct TreeContent: UploadContent {
    private static let ignoreFile = ".orchignore"

    let size: Int64
    private let parts: [(start: Int64, part: TreePart)]

    /// The content of a folder that is pushed. Equal folders give equal archives, with nothing of who owns them and when they
    /// were written.
    ///
    /// Leaves out `.git`, and what the patterns in `.orchignore` name, one a line (fnmatch(3)): a path from the folder on, or a
    /// name anywhere.
    ///
    /// - Throws: `invalidRequest` for what no archive holds, such as a device.
    init(folder: String) throws(OrchError) {
        let patterns = ((try? Files.readText("\(folder)/\(Self.ignoreFile)")) ?? "").split(separator: "\n")
            .map(String.init).filter { !$0.isEmpty && !$0.hasPrefix("#") }
        var builder = TreeBuilder(ignored: [".git", Self.ignoreFile] + patterns, keepsModes: false)
        try builder.add(contentOf: folder, below: "")
        self.init(builder.parts)
    }

    /// A file, or a folder with all that is in it, under another name.
    ///
    /// - Throws: `notFound`, and as ``init(folder:)``.
    init(_ path: String, as name: String) throws(OrchError) {
        var builder = TreeBuilder(ignored: [], keepsModes: true)
        try builder.add(path, as: name)
        self.init(builder.parts)
    }

    private init(_ collected: [TreePart]) {
        var start: Int64 = 0
        var parts: [(Int64, TreePart)] = []
        for part in collected + [.bytes(TarHeader.end)] where part.size > 0 {
            parts.append((start, part))
            start += part.size
        }
        self.parts = parts
        size = start
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

private enum TreePart {
    case bytes([UInt8])
    case file(path: String, size: Int64)

    var size: Int64 {
        switch self {
        case .bytes(let bytes): Int64(bytes.count)
        case .file(_, let size): size
        }
    }
}

/// Collects what an archive consists of.
private struct TreeBuilder {
    let ignored: [String]
    /// Otherwise there are two: of what can be executed, and of all else.
    let keepsModes: Bool
    private(set) var parts: [TreePart] = []

    init(ignored: [String], keepsModes: Bool) {
        self.ignored = ignored
        self.keepsModes = keepsModes
    }

    mutating func add(contentOf folder: String, below name: String) throws(OrchError) {
        let names: [String]
        do throws(SystemError) { names = try Files.listing(folder) } catch {
            throw OrchError(.notFound, "\(folder) cannot be read: \(error.reason)", cause: error)
        }
        for entry in names {
            let path = name.isEmpty ? entry : "\(name)/\(entry)"
            if ignored.contains(where: { fnmatch($0, path, FNM_PATHNAME) == 0 || fnmatch($0, entry, 0) == 0 }) {
                continue
            }
            try add("\(folder)/\(entry)", as: path)
        }
    }

    mutating func add(_ path: String, as name: String) throws(OrchError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw OrchError(.notFound, "\(path) cannot be read: \(SystemError.reason(errno))")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            parts.append(.bytes(TarHeader.bytes(name, .folder)))
            try add(contentOf: path, below: name)
        case S_IFLNK:
            parts.append(.bytes(TarHeader.bytes(name, .symbolicLink(target: Files.linkTarget(path) ?? ""))))
        case S_IFREG:
            let size = Int64(status.st_size)
            let mode = keepsModes ? status.st_mode & 0o777 : status.st_mode & 0o111 == 0 ? 0o644 : 0o755
            parts.append(.bytes(TarHeader.bytes(name, .file(size: size, mode: mode))))
            parts.append(.file(path: path, size: size))
            parts.append(.bytes(TarHeader.padding(after: size)))
        default:
            throw OrchError(
                .invalidRequest,
                "\(path) is neither a file nor a folder nor a link: leave it out, as .orchignore does for a push")
        }
    }
}
