import Glibc
import NIOCore
import OrchModel
import OrchSystem

/// One file of a partition's log: record batches as they came, named by the offset of the first in 20 digits.
final class Segment {
    let baseOffset: Int64
    let path: String
    private let disk: any Disk
    /// Open while the segment grows; a full one is opened to read from it.
    private var file: (any DiskFile)?
    private(set) var index: SegmentIndex
    /// Bytes that were cut off its end when it was opened.
    private(set) var tornBytes = 0

    var size: Int { index.size }
    var nextOffset: Int64 { index.nextOffset }
    var maxTimestamp: Int64 { index.maxTimestamp }

    /// Begins an empty segment.
    ///
    /// - Throws: also where there is one that holds something already.
    init(_ disk: any Disk, folder: String, baseOffset: Int64) throws(SystemError) {
        self.disk = disk
        self.baseOffset = baseOffset
        path = "\(folder)/\(Self.fileName(baseOffset))"
        let file = try disk.open(path)
        self.file = file
        index = SegmentIndex(baseOffset: baseOffset)
        guard file.size == 0 else {
            errno = EEXIST
            throw SystemError("open", path)
        }
    }

    /// Opens one that is full, by the index beside it.
    ///
    /// - Returns: `nil` where there is no whole index that belongs to it.
    init?(_ disk: any Disk, sealedIn folder: String, baseOffset: Int64) throws(SystemError) {
        self.disk = disk
        self.baseOffset = baseOffset
        path = "\(folder)/\(Self.fileName(baseOffset))"
        guard let content = try disk.read(path + Self.indexSuffix),
            let (index, producers) = SegmentIndex.decoded(content, size: try disk.open(path).size)
        else { return nil }
        self.index = index
        producersAtEnd = producers
    }

    /// Opens one and reads all its batches, whose checksums are compared. What is torn at its end, as a crash leaves it,
    /// is cut off and kept beside it.
    ///
    /// - Parameter visit: gets every batch, in order.
    init(_ disk: any Disk, recovering folder: String, baseOffset: Int64, visit: (RecordBatch) -> Void)
        throws(SystemError)
    {
        self.disk = disk
        self.baseOffset = baseOffset
        path = "\(folder)/\(Self.fileName(baseOffset))"
        let file = try disk.open(path)
        self.file = file
        index = SegmentIndex(baseOffset: baseOffset)
        let found = file.size
        try scan(file, to: found, visit)
        if size < found {
            tornBytes = found - size
            let rest = try file.read(at: size, count: min(tornBytes, Self.mostKept))
            try? disk.replace("\(path).torn-\(Timestamp.now().seconds)", with: Array(rest.readableBytesView))
            try file.truncate(to: size)
        }
    }

    /// Of what is cut off, so much is kept for people to look at, in bytes.
    private static let mostKept = 1 << 20
    private static let indexSuffix = ".index"

    /// What was known of the producers at the end of this segment, when it was opened by its index.
    private(set) var producersAtEnd: ProducerTable?

    static func fileName(_ baseOffset: Int64) -> String {
        let digits = String(baseOffset)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".log"
    }

    /// The base offset that a file's name tells, or `nil` for a file that is none of ours.
    static func baseOffset(fileName: String) -> Int64? {
        fileName.hasSuffix(".log") && fileName.count == 24 ? Int64(fileName.dropLast(4)) : nil
    }

    // MARK: Writing

    /// Appends a whole batch whose offsets are final.
    ///
    /// - Parameter bytes: as they came. What the broker puts in lies before the checksum's reach: the base offset, and the
    ///   epoch of the leader, which is always 0.
    func append(_ batch: RecordBatch, _ bytes: ByteBuffer) throws(SystemError) {
        let file = try opened()
        var (head, rest) = (ByteBuffer(), bytes)
        head.writeInteger(batch.baseOffset)
        head.writeInteger(Int32(batch.size - RecordBatch.lengthPrefix))
        head.writeInteger(Int32(0))
        rest.moveReaderIndex(forwardBy: head.readableBytes)
        do throws(SystemError) {
            // Without copying what may be a megabyte.
            try file.write(rest, at: size + head.readableBytes)
            try file.write(head, at: size)
        } catch {
            // A part of it must not lie behind what is written next.
            try? file.truncate(to: size)
            throw error
        }
        index.add(batch)
    }

    /// Takes back what was appended since the index was as given.
    func restore(_ earlier: SegmentIndex) {
        index = earlier
        try? file?.truncate(to: size)
    }

    func sync() throws(SystemError) { try opened().sync() }

    /// Writes the index down: nothing is to be appended any more. Without it the segment is read whole at the next start.
    func seal(_ producers: ProducerTable) {
        try? disk.replace(path + Self.indexSuffix, with: index.encoded(with: producers))
    }

    func close() { file = nil }

    private func opened() throws(SystemError) -> any DiskFile {
        if let file { return file }
        return try disk.open(path)
    }

    func remove() {
        disk.remove(path)
        disk.remove(path + Self.indexSuffix)
    }

    // MARK: Reading

    /// The position of the batch that holds `offset`, or of the first behind it; the size when there is none.
    func position(of offset: Int64) throws(SystemError) -> Int {
        try first(in: index.range(of: offset)) { $0.lastOffset >= offset }?.position ?? size
    }

    /// The first batch that holds a record of `timestamp` or later, with its bytes.
    func batch(at timestamp: Int64) throws(SystemError) -> ByteBuffer? {
        guard maxTimestamp >= timestamp,
            let (batch, position) = try first(in: index.range(at: timestamp), where: { $0.maxTimestamp >= timestamp })
        else { return nil }
        return try opened().read(at: position, count: batch.size)
    }

    /// Up to `limit` bytes from `position` on, but at least the first batch whole.
    func read(from position: Int, limit: Int) throws(SystemError) -> ByteBuffer {
        guard position < size else { return ByteBuffer() }
        let file = try opened()
        var bytes = try file.read(at: position, count: min(max(limit, RecordBatch.headSize), size - position))
        if let first = RecordBatch(bytes, at: bytes.readerIndex), first.size > bytes.readableBytes {
            bytes = try file.read(at: position, count: min(first.size, size - position))
        }
        return bytes
    }

    private func first(in range: Range<Int>, where matches: (RecordBatch) -> Bool) throws(SystemError) -> (
        batch: RecordBatch, position: Int
    )? {
        var found: (batch: RecordBatch, position: Int)?
        try walk(range) { batch, position in
            if matches(batch) { found = (batch, position) }
            return found == nil
        }
        return found
    }

    /// Reads the heads of the batches that begin in a range, a stretch at a time.
    ///
    /// - Parameter body: gets each with its position, and says whether to go on.
    private func walk(_ range: Range<Int>, _ body: (RecordBatch, Int) -> Bool) throws(SystemError) {
        let file = try opened()
        var position = range.lowerBound
        while position < range.upperBound {
            let stretch = try file.read(at: position, count: min(SegmentIndex.step, size - position))
            var read = 0
            while position < range.upperBound, let batch = RecordBatch(stretch, at: stretch.readerIndex + read),
                batch.size >= RecordBatch.headSize
            {
                guard body(batch, position) else { return }
                position += batch.size
                read += batch.size
            }
            // Not even one head: the file is shorter than its index says.
            if read == 0 { return }
        }
    }

    /// Takes in the batches up to the first that is not whole.
    private func scan(_ file: any DiskFile, to end: Int, _ visit: (RecordBatch) -> Void) throws(SystemError) {
        while size + RecordBatch.headSize <= end {
            var stretch = try file.read(at: size, count: min(Self.scanStep, end - size))
            if let first = RecordBatch(stretch, at: stretch.readerIndex), first.size > stretch.readableBytes {
                guard first.size <= end - size else { return }
                stretch = try file.read(at: size, count: first.size)
            }
            let before = size
            var at = stretch.readerIndex
            while let batch = RecordBatch(stretch, at: at), batch.size <= stretch.writerIndex - at {
                guard batch.isIntact(in: stretch, at: at), batch.baseOffset == nextOffset, batch.lastOffsetDelta >= 0
                else { return }
                index.add(batch)
                visit(batch)
                at += batch.size
            }
            if size == before { return }
        }
    }

    private static let scanStep = 1 << 20
}
