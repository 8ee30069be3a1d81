import COrchSystem
package import Glibc

/// Whole-file operations. All of them block: never call them on the cooperative pool for anything but small local files.
package enum Files {
    package static func read(_ path: String) throws(SystemError) -> [UInt8] {
        let file = try Descriptor(opening: path, .read)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try file.read(into: &chunk)
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[0..<count])
        }
    }

    package static func readText(_ path: String) throws(SystemError) -> String {
        String(decoding: try read(path), as: UTF8.self)
    }

    /// Writes so that at any moment either the old or the new content is there, whole.
    ///
    /// - Parameter durable: also survive a crash of the machine, not only of this process; costs two `fsync`s.
    package static func replace(
        _ path: String, with bytes: [UInt8], mode: mode_t = 0o600, durable: Bool = false
    ) throws(SystemError) {
        // The pid keeps two processes apart; two writers in one process must be one actor.
        let temporary = "\(path).\(getpid()).new"
        do throws(SystemError) {
            let file = try Descriptor(opening: temporary, .create, mode: mode)
            try file.write(bytes)
            // The content must be durable before the name points at it.
            if durable { try retrying("fsync", path) { fsync(file.number) } }
            try rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        if durable {
            let folder = try Descriptor(opening: parent(of: path), .directory)
            try retrying("fsync", path) { fsync(folder.number) }
        }
    }

    /// Writes over the beginning of a file that is there, which needs no room on the disk.
    package static func overwrite(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let file = try Descriptor(opening: path, .readWrite)
        let number = file.number
        let count = try retrying("pwrite", path) {
            bytes.withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, 0) }
        }
        guard count == bytes.count else { throw SystemError("pwrite", path) }
    }

    package static func replace(_ path: String, with text: String, durable: Bool = false) throws(SystemError) {
        try replace(path, with: Array(text.utf8), durable: durable)
    }

    /// Makes the folder and those above it.
    package static func makeFolder(_ path: String, mode: mode_t = 0o700) throws(SystemError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, parent(of: path) != path else { throw SystemError("mkdir", path) }
        try makeFolder(parent(of: path), mode: mode)
        if mkdir(path, mode) != 0, errno != EEXIST { throw SystemError("mkdir", path) }
    }

    /// Where a symbolic link points; `nil` when there is none.
    package static func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            let count = readlink(path, buffer.baseAddress!, buffer.count)
            guard count >= 0 else { return nil }
            return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// The names in a folder, sorted; empty when it is not there or cannot be read.
    package static func list(_ path: String) -> [String] { (try? listing(path)) ?? [] }

    /// The names in a folder, sorted; empty when there is no such folder, and only then.
    package static func listing(_ path: String) throws(SystemError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemError("opendir", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            // The only way to tell the end from a failure (readdir(3)).
            errno = 0
            guard let entry = readdir(folder) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw SystemError("readdir", path) }
        return names.sorted()
    }

    /// The paths of all files below a folder, relative to it and sorted. Links count as the files that they lead to; those to
    /// folders are not followed, because they may lead round in circles.
    package static func listTree(_ path: String) -> [String] {
        list(path).flatMap { name -> [String] in
            let place = "\(path)/\(name)"
            guard isFolder(place) else { return [name] }
            return linkTarget(place) == nil ? listTree(place).map { "\(name)/\($0)" } : []
        }
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether it is a file that ends, no device or pipe.
    package static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    package static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// Bytes, or `nil` when there is no such file.
    /// What differs once a file has been written to or replaced; `nil` where there is none.
    package static func stamp(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }

    package static func size(_ path: String) -> Int64? {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    package static func rename(_ path: String, to target: String) throws(SystemError) {
        try retrying("rename", path) { Glibc.rename(path, target) }
    }

    /// Returns when everything on the file system of a folder is on its disk.
    package static func syncFileSystem(of folder: String) throws(SystemError) {
        let descriptor = try Descriptor(opening: folder, .directory)
        try checked("syncfs", orch_sync_file_system(descriptor.number), folder)
    }

    package static func remove(_ path: String) { unlink(path) }

    /// Makes a symbolic link, which may lead nowhere.
    package static func link(_ path: String, to target: String) throws(SystemError) {
        try retrying("symlink", path) { symlink(target, path) }
    }

    /// Lets other users go through a folder to what they know the name of.
    package static func allowPassing(_ folder: String) throws(SystemError) {
        try retrying("chmod", folder) { chmod(folder, 0o711) }
    }

    /// Removes a folder with all that is in it; links are removed, not followed.
    package static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in list(path) { removeTree("\(path)/\(name)") }
        rmdir(path)
    }

    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `path` itself when absolute, otherwise below `base`.
    package static func resolve(_ path: String, in base: String) -> String {
        if path.isEmpty { return base }
        return path.hasPrefix("/") ? path : "\(base)/\(path)"
    }

    /// The path without links and `..`, or `nil` when it does not exist.
    package static func canonical(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// The path of the program that is running.
    package static var ownProgram: String { canonical("/proc/self/exe") ?? "/proc/self/exe" }

    /// A program of this product: it lies beside the one that is running.
    package static func sibling(_ name: String) -> String { "\(parent(of: ownProgram))/\(name)" }
}

/// An open file, closed when nobody holds it any longer. Close-on-exec from birth.
package struct Descriptor: ~Copyable, Sendable {
    package enum Mode { case read, create, append, directory, readWrite }

    package let number: Int32

    package init(owning number: Int32) { self.number = number }

    package init(opening path: String, _ mode: Mode, mode permissions: mode_t = 0o600) throws(SystemError) {
        let flags =
            switch mode {
            case .read: O_RDONLY
            case .create: O_WRONLY | O_CREAT | O_TRUNC
            case .append: O_WRONLY | O_CREAT | O_APPEND
            case .directory: O_RDONLY | O_DIRECTORY
            case .readWrite: O_RDWR | O_CREAT
            }
        number = try retrying("open", path) { open(path, flags | O_CLOEXEC, permissions) }
    }

    deinit { close(number) }

    /// Leaves it open, for the caller to close.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// The same file under another number, for the caller to close.
    package func duplicate() throws(SystemError) -> Int32 { try checked("dup", orch_duplicate(number)) }

    /// - Returns: the bytes read; 0 at the end.
    package func read(into buffer: inout [UInt8]) throws(SystemError) -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(number, $0.baseAddress, $0.count) }
            if count >= 0 { return count }
            if errno != EINTR { throw SystemError("read") }
        }
    }

    /// Has the kernel begin to write a part to the disk, without waiting for it.
    package func startWriting(from offset: Int64, count: Int64) { orch_start_writing(number, offset, count) }

    package func write(_ bytes: [UInt8]) throws(SystemError) { try Self.write(bytes, to: number) }

    /// The same for a descriptor that cannot be handed over.
    package static func write(_ bytes: [UInt8], to number: Int32) throws(SystemError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("write")
            }
            offset += count
        }
    }
}
