import OrchModel

/// The files of a bundle as its archive tells of them, without touching a disk: decides what may be unpacked.
///
/// Nothing may lie or point outside of the bundle's folder, and a place is given once.
struct BundleTree {
    enum Node: Equatable {
        case file
        case folder
        case link(target: String)
    }

    /// Bytes of a path, and folders that it goes through.
    private static let longestPath = 1024
    private static let deepest = 64
    /// Links that a path may go through, as the kernel has it (path_resolution(7)).
    private static let mostLinks = 40

    /// By path, relative and without `.` and `..`.
    private(set) var nodes: [String: Node] = [:]
    private(set) var bytes: Int64 = 0
    private(set) var interfaceBytes: Int64 = 0
    private let name: String
    private let limits: ArchiveLimits

    /// - Parameter name: of the archive, for messages.
    init(name: String, limits: ArchiveLimits) {
        self.name = name
        self.limits = limits
    }

    /// Takes an entry in.
    ///
    /// - Returns: where it goes; `nil` for the folder of the bundle itself.
    /// - Throws: `invalidRequest` with the reason why it may not be unpacked.
    mutating func add(_ entry: ArchiveEntry) throws(OrchError) -> String? {
        let parts = try parts(of: entry.path)
        guard !parts.isEmpty else { return nil }
        let path = parts.joined(separator: "/")
        try addFolders(above: parts, entry.path)
        switch entry.kind {
        case .folder:
            if nodes[path] == .folder { return path }
            try set(.folder, at: path)
        case .file: try set(.file, at: path)
        case .symbolicLink(let target):
            guard !target.isEmpty, !target.hasPrefix("/") else {
                throw refusal("\(entry.path.quotedOneLine) is a link to \(target.quotedOneLine), outside of the bundle")
            }
            try set(.link(target: target), at: path)
        case .hardLink(let target):
            guard nodes[try self.parts(of: target).joined(separator: "/")] == .file else {
                throw refusal("\(entry.path.quotedOneLine) is a link to \(target.quotedOneLine), which is not in it")
            }
            try set(.file, at: path)
        case .special(let what): throw refusal("\(entry.path.quotedOneLine) is \(what)")
        }
        try limits.check(bytes: bytes, entries: nodes.count, of: name)
        return path
    }

    /// Counts content of the file that was added last.
    mutating func count(_ count: Int, at path: String) throws(OrchError) {
        bytes += Int64(count)
        if path.hasPrefix("ui/") { interfaceBytes += Int64(count) }
        try limits.check(bytes: bytes, entries: nodes.count, of: name)
        guard interfaceBytes <= limits.interfaceBytes else {
            throw refusal("its ui/ has more than \(ByteSize(bytes: limits.interfaceBytes))")
        }
    }

    /// Looks at every link once all is there.
    ///
    /// - Throws: `invalidRequest` for a link that leads out of the bundle, or nowhere.
    func checkLinks() throws(OrchError) {
        for (path, node) in nodes {
            guard case .link(let target) = node else { continue }
            var left = Self.mostLinks
            guard let found = resolve(path, &left) else {
                throw refusal("\(path.quotedOneLine) is a link to \(target.quotedOneLine), outside of the bundle")
            }
            guard found.isEmpty || nodes[found] != nil else {
                throw refusal("\(path.quotedOneLine) is a link to \(target.quotedOneLine), which is not in it")
            }
        }
    }

    /// Where a path leads, links followed as the kernel does; `nil` where that is outside, or never ends.
    private func resolve(_ path: String, _ left: inout Int) -> String? {
        var done: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." {
                guard !done.isEmpty else { return nil }
                done.removeLast()
                continue
            }
            let here = (done + [part]).joined(separator: "/")
            guard case .link(let target)? = nodes[here] else {
                done.append(part)
                continue
            }
            left -= 1
            guard left > 0, let found = resolve((done + [target[...]]).joined(separator: "/"), &left) else {
                return nil
            }
            done = found.split(separator: "/")
        }
        return done.joined(separator: "/")
    }

    private func parts(of path: String) throws(OrchError) -> [Substring] {
        guard !path.hasPrefix("/") else { throw refusal("\(path.quotedOneLine) is an absolute path") }
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw refusal("\(path.quotedOneLine) lies outside of the bundle") }
        guard path.utf8.count <= Self.longestPath, parts.count <= Self.deepest,
            parts.allSatisfy({ $0.utf8.count < 256 })
        else { throw refusal("\(String(path.prefix(80)).quotedOneLine)… is too long a path") }
        return parts
    }

    private mutating func addFolders(above parts: [Substring], _ path: String) throws(OrchError) {
        for count in 1..<max(1, parts.count) {
            let folder = parts[0..<count].joined(separator: "/")
            switch nodes[folder] {
            case nil: nodes[folder] = .folder
            case .folder: break
            case .file, .link:
                throw refusal("\(path.quotedOneLine) lies below \(folder.quotedOneLine), which is no folder")
            }
        }
    }

    private mutating func set(_ node: Node, at path: String) throws(OrchError) {
        guard nodes[path] == nil else { throw refusal("\(path.quotedOneLine) is in it twice") }
        nodes[path] = node
    }

    private func refusal(_ reason: String) -> OrchError {
        OrchError(.invalidRequest, "\(name) cannot be taken: \(reason)")
    }
}
