import Glibc
import OrchModel
import OrchSystem

/// The files of a spool from its writer's side: it appends entries to the newest, and begins another when that is full.
struct SpoolSegments: ~Copyable {
    private let folder: String
    private let segmentSize: Int
    private var file: Descriptor?
    private var size = 0
    /// The number that the next entry gets.
    private(set) var nextEntry: Int64 = 1

    /// Goes on behind what is there. An entry that was being written in a crash is cut off.
    init(folder: String, segmentSize: Int) throws(SystemError) {
        self.folder = folder
        self.segmentSize = segmentSize
        try Files.makeFolder(folder)
        guard let last = SpoolFormat.segments(in: folder).last else { return }
        let path = "\(folder)/\(SpoolFormat.fileName(last))"
        let bytes = try Files.read(path)
        let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if whole < bytes.count { truncate(path, whole) }
        size = whole
        file = try Descriptor(opening: path, .append)
        nextEntry = last + Int64(bytes[..<whole].count { $0 == UInt8(ascii: "\n") })
    }

    /// Whether so many bytes more belong into a new segment.
    func isFull(with count: Int) -> Bool { file == nil || size + count > segmentSize }

    /// Begins a new segment with the next entry.
    mutating func begin() throws(SystemError) {
        let path = "\(folder)/\(SpoolFormat.fileName(nextEntry))"
        file = nil
        file = try Descriptor(opening: path, .append)
        size = Int(Files.size(path) ?? 0)
    }

    /// Appends whole entries, each with its end. All of them or, when it throws, none.
    mutating func append(_ bytes: [UInt8], entries: Int) throws(SystemError) {
        guard let number = file?.number else { return }
        do throws(SystemError) {
            try Descriptor.write(bytes, to: number)
        } catch {
            ftruncate(number, size)
            throw error
        }
        size += bytes.count
        nextEntry += Int64(entries)
    }

    /// What comes next belongs into a new segment.
    mutating func finish() { file = nil }

    /// Leaves the number of an entry unused that could not be kept: whoever reads counts it as lost.
    mutating func skip() {
        nextEntry += 1
        file = nil
    }

    /// Bytes of all segments.
    var totalSize: Int64 {
        SpoolFormat.segments(in: folder).reduce(0) { sum, segment in
            sum + (Files.size("\(folder)/\(SpoolFormat.fileName(segment))") ?? 0)
        }
    }

    /// Removes the oldest segments, never the newest, until the others have no more than so many bytes.
    func dropOldest(above bytes: Int64) {
        var total = totalSize
        for segment in SpoolFormat.segments(in: folder).dropLast() where total > bytes {
            let path = "\(folder)/\(SpoolFormat.fileName(segment))"
            total -= Files.size(path) ?? 0
            Files.remove(path)
        }
    }
}
