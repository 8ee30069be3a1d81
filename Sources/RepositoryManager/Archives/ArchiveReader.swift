import CArchive
import Glibc
import OrchModel

/// One entry of an archive.
struct ArchiveEntry: Equatable {
    enum Kind: Equatable {
        case file(size: Int64)
        case folder
        case symbolicLink(target: String)
        /// Another name of a file that came before.
        case hardLink(target: String)
        /// What a module has no use for, in words.
        case special(String)
    }

    var path: String
    var kind: Kind
    var mode: mode_t
}

/// Reads a tar archive of any make, packed by gzip, zstd, xz or bzip2 or not, from its beginning to its end. Blocks.
///
/// libarchive does the reading; what entries may be is decided elsewhere.
struct ArchiveReader: ~Copyable {
    /// Heads and padding of entries are unpacked, too.
    private static let overhead: Int64 = 4096

    private let archive: OpaquePointer
    private let name: String
    private let limits: ArchiveLimits
    private var entries = 0

    /// - Parameters:
    ///   - name: of the archive, for messages.
    ///   - limits: of all that it unpacks to, whether it is looked at or passed over.
    /// - Throws: ``OrchError`` `failed` when the file cannot be opened.
    init(path: String, name: String, limits: ArchiveLimits) throws(OrchError) {
        archive = try Self.open(path, name)
        self.name = name
        self.limits = limits
    }

    private static func open(_ path: String, _ name: String) throws(OrchError) -> OpaquePointer {
        guard let archive = archive_read_new() else { throw OrchError(.failed, "there is no memory for an archive") }
        // Only what is read within this process: others start programs.
        archive_read_support_filter_gzip(archive)
        archive_read_support_filter_zstd(archive)
        archive_read_support_filter_xz(archive)
        archive_read_support_filter_bzip2(archive)
        archive_read_support_format_tar(archive)
        guard archive_read_open_filename(archive, path, 1 << 20) == ARCHIVE_OK else {
            defer { archive_read_free(archive) }
            throw failure(archive, name)
        }
        return archive
    }

    deinit { archive_read_free(archive) }

    /// Whether a file is such an archive, judged by its first entry.
    static func isArchive(_ path: String) -> Bool {
        guard var reader = try? ArchiveReader(path: path, name: "", limits: .standard) else { return false }
        return (try? reader.next()) != nil
    }

    /// The next entry, whose content can be read until the next call; `nil` at the end.
    ///
    /// - Throws: `invalidRequest` when the archive is damaged or ends too early.
    mutating func next() throws(OrchError) -> ArchiveEntry? {
        var entry: OpaquePointer?
        let status = archive_read_next_header(archive, &entry)
        if status == ARCHIVE_EOF { return nil }
        // A warning is about the spelling of names, which are taken as they are.
        guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else { throw Self.failure(archive, name) }
        guard let path = Self.text(archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry)) else {
            throw OrchError(.invalidRequest, "\(name) is no valid archive: an entry has no name")
        }
        let kind = Self.kind(of: entry)
        entries += 1
        var claimed: Int64 = 0
        if case .file(let size) = kind { claimed = size }
        try limits.check(
            bytes: max(0, archive_filter_bytes(archive, 0) - Int64(entries) * Self.overhead), adding: claimed,
            entries: entries, of: name)
        return ArchiveEntry(path: path, kind: kind, mode: archive_entry_perm(entry))
    }

    private static func kind(of entry: OpaquePointer) -> ArchiveEntry.Kind {
        if let target = text(archive_entry_hardlink_utf8(entry) ?? archive_entry_hardlink(entry)) {
            return .hardLink(target: target)
        }
        switch archive_entry_filetype(entry) {
        case S_IFREG: return .file(size: archive_entry_size(entry))
        case S_IFDIR: return .folder
        case S_IFLNK:
            return .symbolicLink(target: text(archive_entry_symlink_utf8(entry) ?? archive_entry_symlink(entry)) ?? "")
        case S_IFCHR, S_IFBLK: return .special("a device")
        case S_IFIFO: return .special("a pipe")
        case S_IFSOCK: return .special("a socket")
        default: return .special("neither a file nor a folder nor a link")
        }
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }

    /// More of the content of the entry; 0 at its end.
    func read(into buffer: inout [UInt8]) throws(OrchError) -> Int {
        let count = buffer.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw Self.failure(archive, name) }
        return count
    }

    /// The content of the entry, where it is small.
    func readAll(upTo limit: Int) throws(OrchError) -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try read(into: &chunk)
            if count == 0 { return content }
            guard content.count + count <= limit else {
                throw OrchError(.invalidRequest, "\(name) holds a description of more than \(limit) bytes")
            }
            content += chunk[0..<count]
        }
    }

    private static func failure(_ archive: OpaquePointer, _ name: String) -> OrchError {
        let reason = text(archive_error_string(archive)) ?? "it cannot be read"
        return OrchError(.invalidRequest, "\(name) is no valid archive: \(reason)")
    }
}
