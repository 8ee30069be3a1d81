import Glibc
import OrchModel
import OrchSystem

/// Reads a spool from a position on, over all its segments, and notices entries that are missing.
///
/// Confined to the shipper's thread: files block.
struct SpoolReader {
    /// Where reading goes on. `entry` is the number of the next entry.
    struct Position: Equatable {
        var segment: Int64
        var offset: Int
        var entry: Int64

        static let beginning = Position(segment: 1, offset: 0, entry: 1)
    }

    struct Chunk {
        var bytes: [UInt8]
        /// The ranges of the whole lines in `bytes`, without their ends.
        var lines: [Range<Int>]
        /// The number of the first of them.
        var firstEntry: Int64
        /// Entries that are missing before the first line.
        var lost: Int64
        var end: Position
    }

    private static let chunkSize = 65_536

    let folder: String
    private(set) var position: Position
    private var file: Int32 = -1
    /// When segments had last been made or removed, as of the last look at the folder.
    private var folderTime = timespec()
    private var newestSegment: Int64 = 0
    /// The last look took all there was: there is no need to look again before something is written.
    private(set) var isCaughtUp = false

    init(folder: String, position: Position) {
        self.folder = folder
        self.position = position
    }

    /// The next whole lines; `nil` when there is nothing new.
    mutating func next() throws(SystemError) -> Chunk? {
        var lost: Int64 = 0
        isCaughtUp = false
        while true {
            if file < 0, try !openSegment(&lost) { return lostOnly(lost) }
            let (bytes, isShort) = try readChunk()
            let lines = Self.wholeLines(bytes)
            if let last = lines.last {
                let first = position.entry
                position.offset += last.upperBound + 1
                position.entry += Int64(lines.count)
                isCaughtUp =
                    isShort && last.upperBound + 1 == bytes.count && position.segment == newestSegment
                    && !hasFolderChanged()
                return Chunk(bytes: bytes, lines: lines, firstEntry: first, lost: lost, end: position)
            }
            // At the end of a segment the writer may go on in this one or in a new one.
            guard let following = segments().first(where: { $0 > position.segment }) else {
                return lostOnly(lost)
            }
            // It never comes back to this one, but may have written to it since we looked.
            if try readChunk().bytes.count > bytes.count { continue }
            close()
            lost += max(0, following - position.entry)
            position = Position(segment: following, offset: 0, entry: max(following, position.entry))
        }
    }

    mutating func rewind(to position: Position) {
        close()
        self.position = position
    }

    mutating func close() {
        if file >= 0 { Glibc.close(file) }
        file = -1
    }

    private func lostOnly(_ lost: Int64) -> Chunk? {
        lost == 0 ? nil : Chunk(bytes: [], lines: [], firstEntry: position.entry, lost: lost, end: position)
    }

    /// Opens the segment of the position, or the next there is when it was dropped.
    private mutating func openSegment(_ lost: inout Int64) throws(SystemError) -> Bool {
        guard let segment = segments().first(where: { $0 >= position.segment }) else { return false }
        let path = "\(folder)/\(SpoolFormat.fileName(segment))"
        file = try retrying("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
        if segment != position.segment {
            lost += max(0, segment - position.entry)
            position = Position(segment: segment, offset: 0, entry: max(segment, position.entry))
        }
        return true
    }

    private mutating func segments() -> [Int64] {
        // Taken before the list, so that what is made meanwhile is a change.
        folderTime = Self.changeTime(of: folder)
        let segments = SpoolFormat.segments(in: folder)
        newestSegment = segments.last ?? 0
        return segments
    }

    private func hasFolderChanged() -> Bool {
        let now = Self.changeTime(of: folder)
        return now.tv_sec != folderTime.tv_sec || now.tv_nsec != folderTime.tv_nsec
    }

    private static func changeTime(of folder: String) -> timespec {
        var status = stat()
        return stat(folder, &status) == 0 ? status.st_mtim : timespec()
    }

    /// - Returns: what comes next in the segment, and whether that reaches its end.
    private func readChunk() throws(SystemError) -> (bytes: [UInt8], isShort: Bool) {
        var size = Self.chunkSize
        while true {
            let offset = position.offset
            var result: Result<Int, SystemError> = .success(0)
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { memory, count in
                result = Result { () throws(SystemError) in
                    try retrying("pread", folder) { pread(file, memory.baseAddress, size, offset) }
                }
                count = (try? result.get()) ?? 0
            }
            let count = try result.get()
            // A line is at most 16 KiB and its head, but a foreign one may be longer than a chunk.
            if count == size, !bytes.contains(UInt8(ascii: "\n")), size < 16 << 20 {
                size *= 4
                continue
            }
            return (bytes, count < size)
        }
    }

    private static func wholeLines(_ bytes: [UInt8]) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            while start < buffer.count, let newline = memchr(base + start, 10, buffer.count - start) {
                let end = newline - UnsafeMutableRawPointer(mutating: base)
                lines.append(start..<end)
                start = end + 1
            }
        }
        return lines
    }
}
