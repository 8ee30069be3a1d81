import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem

/// Remembers the digests of what was pushed, so that what has not changed need not be read again.
struct DigestCache {
    private struct Entry: Codable {
        var signature: String
        var digest: Digest
    }

    private static let most = 1000
    /// A file that was changed so recently may be changed again without its times telling, as git has it ("racy git").
    private static let settled: Int64 = 2

    private let file: String

    /// - Parameter environment: says where caches are (XDG Base Directory Specification).
    init(_ environment: [String: String]) {
        let home = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        file = "\(home ?? "\(environment["HOME"] ?? "/root")/.cache")/orch/digests.json"
    }

    func digest(of path: String, _ signature: String) -> Digest? {
        guard let entry = entries[path], entry.signature == signature else { return nil }
        return entry.digest
    }

    /// - Parameter signature: as it was before it was read; it must have been settled then.
    func note(_ digest: Digest, of path: String, _ signature: String) {
        var all = entries
        while all.count >= Self.most, let any = all.keys.first { all[any] = nil }
        all[path] = Entry(signature: signature, digest: digest)
        // Without a cache everything works, only slower.
        try? Files.makeFolder(Files.parent(of: file))
        if let bytes = try? JSONEncoder().encode(all) { try? Files.replace(file, with: Array(bytes)) }
    }

    private var entries: [String: Entry] {
        guard let bytes = try? Files.read(file) else { return [:] }
        return (try? JSONDecoder().decode([String: Entry].self, from: Data(bytes))) ?? [:]
    }

    /// What changes with every change of a file, or of anything in a folder; `nil` while it has just been changed.
    static func signature(of path: String) -> String? {
        var hash = ContentHash()
        var newest: Int64 = 0
        add(path, &hash, &newest)
        guard newest < Int64(time(nil)) - settled else { return nil }
        return hash.finish().hex
    }

    private static func add(_ path: String, _ hash: inout ContentHash, _ newest: inout Int64) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        let times =
            "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) \(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec)"
        let line = Array(
            "\(path) \(status.st_dev) \(status.st_ino) \(status.st_mode) \(status.st_size) \(times)\n".utf8)
        hash.update(line, count: line.count)
        newest = max(newest, Int64(status.st_mtim.tv_sec), Int64(status.st_ctim.tv_sec))
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in Files.list(path) { add("\(path)/\(name)", &hash, &newest) }
        }
    }
}
