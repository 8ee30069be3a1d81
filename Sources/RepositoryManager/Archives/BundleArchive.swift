import Glibc
import OrchModel
import OrchModuleFile
import OrchSystem

/// The archive of a bundle: `module.yaml`, and beside it the module's own files, `config/` and `ui/`. Blocks.
struct BundleArchive {
    let path: String
    /// For messages.
    let name: String
    let limits: ArchiveLimits

    /// What a bundle holds, found out without unpacking it.
    struct Content {
        var moduleFile: String
        /// Bytes of all files.
        var bytes: Int64
        var files: Int
    }

    /// - Returns: `nil` for an archive without a `module.yaml`.
    /// - Throws: ``OrchError`` `invalidRequest` when something in it may not be unpacked.
    func inspect() throws(OrchError) -> Content? {
        var moduleFile: [UInt8]?
        let tree = try walk { path, reader, tree throws(OrchError) in
            guard path == ModuleFile.fileName else { return try skip(path, reader, &tree) }
            let content = try reader.readAll(upTo: ModuleFile.largest)
            try tree.count(content.count, at: path)
            moduleFile = content
        }
        guard let moduleFile else { return nil }
        return Content(
            moduleFile: String(decoding: moduleFile, as: UTF8.self), bytes: tree.bytes,
            files: tree.nodes.values.count { $0 == .file })
    }

    /// Writes all of it into a folder that is made for it.
    ///
    /// - Throws: ``OrchError`` as ``inspect()``, or ``SystemError``; what was written stays.
    func unpack(to folder: String) throws {
        try Files.makeFolder(folder)
        let tree = try walk { path, reader, tree throws(OrchError) in
            do {
                try write(path, reader, &tree, folder)
            } catch {
                throw FileWork.translate(error)
            }
        } entry: { path, entry throws(OrchError) in
            do {
                try make(entry, at: path, folder)
            } catch {
                throw FileWork.translate(error)
            }
        }
        for (path, node) in tree.nodes {
            switch node {
            case .file: break
            // The agent's own mask has narrowed the mode.
            case .folder: try retrying("chmod", path) { chmod("\(folder)/\(path)", 0o755) }
            // Last, so that nothing was written through one.
            case .link(let target): try retrying("symlink", path) { symlink(target, "\(folder)/\(path)") }
            }
        }
    }

    private typealias OnFile = (String, borrowing ArchiveReader, inout BundleTree) throws(OrchError) -> Void

    /// Goes through all entries.
    ///
    /// - Parameters:
    ///   - file: called for each file, to read it.
    ///   - entry: called for each entry before, with its path.
    private func walk(
        file: OnFile, entry onEntry: (String, ArchiveEntry) throws(OrchError) -> Void = { _, _ in }
    ) throws(OrchError) -> BundleTree {
        var reader = try ArchiveReader(path: path, name: name, limits: limits)
        var tree = BundleTree(name: name, limits: limits)
        while let entry = try reader.next() {
            guard let path = try tree.add(entry) else { continue }
            try onEntry(path, entry)
            if case .file(let size) = entry.kind {
                // What it claims is enough to refuse it; what it has is counted all the same.
                try limits.check(bytes: tree.bytes, adding: size, entries: 0, of: name)
                try file(path, reader, &tree)
            }
        }
        try tree.checkLinks()
        return tree
    }

    private func skip(_ path: String, _ reader: borrowing ArchiveReader, _ tree: inout BundleTree) throws(OrchError) {
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try reader.read(into: &chunk)
            if count == 0 { return }
            try tree.count(count, at: path)
        }
    }

    private func make(_ entry: ArchiveEntry, at path: String, _ folder: String) throws {
        let place = "\(folder)/\(path)"
        switch entry.kind {
        case .folder: try Files.makeFolder(place)
        case .hardLink(let target):
            try Files.makeFolder(Files.parent(of: place))
            try retrying("link", path) { link("\(folder)/\(target)", place) }
        case .file:
            try Files.makeFolder(Files.parent(of: place))
            // Whoever may run it for somebody may run it for all: the user of an instance is another one than ours.
            // Configuration is nobody else's: instances get a copy of their own.
            let mode: mode_t = path.hasPrefix("config/") ? 0o600 : entry.mode & 0o111 != 0 ? 0o755 : 0o644
            let number = try retrying("open", path) { open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode) }
            close(number)
            try retrying("chmod", path) { chmod(place, mode) }
        case .symbolicLink: try Files.makeFolder(Files.parent(of: place))
        case .special: break
        }
    }

    private func write(
        _ path: String, _ reader: borrowing ArchiveReader, _ tree: inout BundleTree, _ folder: String
    ) throws {
        let file = try Descriptor(opening: "\(folder)/\(path)", .append)
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = try reader.read(into: &chunk)
            if count == 0 { return }
            try tree.count(count, at: path)
            try file.write(Array(chunk[0..<count]))
        }
    }
}
