import Glibc
import NIOCore
import OrchModel
import OrchSystem

/// One file of a partition's log: record batches as they came, named by the offset of the first in 20 digits.
final class Segment {
    /// Where a batch lies. Sparse: one entry for about every ``indexStep`` bytes.
    struct IndexEntry {
        var offset: Int64
        var position: Int
        /// The largest timestamp in the file up to the end of this batch, in milliseconds since 1970.
        var maxTimestamp: Int64
    }

    private static let indexStep = 16_384

    let baseOffset: Int64
    let path: String
    private let descriptor: Descriptor
    private(set) var size: Int
    private(set) var nextOffset: Int64
    private(set) var maxTimestamp: Int64 = -1
    /// Bytes that were cut off its end when it was opened.
    private(set) var tornBytes = 0
    private var index: [IndexEntry] = []
    private var lastIndexed = -Segment.indexStep

    /// Opens a segment and reads the heads of its batches.
    ///
    /// - Parameters:
    ///   - verifying: check every checksum and cut off what is torn at the end, as the last segment needs it after a crash.
    ///   - visit: gets every batch, in order.
    init(folder: String, baseOffset: Int64, verifying: Bool, visit: (RecordBatch) -> Void) throws(SystemError) {
        self.baseOffset = baseOffset
        path = "\(folder)/\(Self.fileName(baseOffset))"
        descriptor = try Descriptor(opening: path, .readWrite)
        size = Int(Files.size(path) ?? 0)
        nextOffset = baseOffset
        let intact = try scan(verifying: verifying, visit)
        if verifying, intact < size {
            // What is cut off may be all that is left of something: it is kept beside, and said.
            tornBytes = size - intact
            let rest = try bytes(at: intact, count: tornBytes)
            try Files.replace("\(path).torn-\(Timestamp.now().seconds)", with: Array(rest.readableBytesView))
            let number = descriptor.number
            try retrying("ftruncate", path) { ftruncate(number, intact) }
        }
        size = intact
    }

    static func fileName(_ baseOffset: Int64) -> String {
        let digits = String(baseOffset)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".log"
    }

    /// The base offset that a file's name tells, or `nil` for a file that is none of ours.
    static func baseOffset(fileName: String) -> Int64? {
        fileName.hasSuffix(".log") && fileName.count == 24 ? Int64(fileName.dropLast(4)) : nil
    }

    // MARK: Writing

    /// Appends whole batches whose offsets are final.
    func append(_ bytes: ByteBuffer, batches: [(batch: RecordBatch, index: Int)]) throws(SystemError) {
        try writeAll(bytes, at: size)
        for (batch, index) in batches { note(batch, at: size + index - bytes.readerIndex) }
        size += bytes.readableBytes
    }

    private func writeAll(_ bytes: ByteBuffer, at position: Int) throws(SystemError) {
        var rest = bytes
        var position = position
        while rest.readableBytes > 0 {
            let number = descriptor.number
            let count = try retrying("pwrite", path) {
                rest.withUnsafeReadableBytes { pwrite(number, $0.baseAddress, $0.count, position) }
            }
            rest.moveReaderIndex(forwardBy: count)
            position += count
        }
    }

    func sync() throws(SystemError) {
        let number = descriptor.number
        try retrying("fdatasync", path) { fdatasync(number) }
    }

    func remove() { Files.remove(path) }

    // MARK: Reading

    /// The position of the batch that holds `offset`, or of the first behind it.
    func position(of offset: Int64) throws(SystemError) -> Int {
        let entry = index.last { $0.offset <= offset }
        return try firstPosition(from: entry?.position ?? 0) { $0.lastOffset >= offset } ?? size
    }

    /// The first batch that holds a record of `timestamp` or later.
    func firstOffset(at timestamp: Int64) throws(SystemError) -> (offset: Int64, timestamp: Int64)? {
        guard maxTimestamp >= timestamp else { return nil }
        // Entries tell the largest timestamp so far: the batch looked for lies behind the last one that is still smaller.
        let entry = index.last { $0.maxTimestamp < timestamp }
        guard let position = try firstPosition(from: entry?.position ?? 0, where: { $0.maxTimestamp >= timestamp }),
            let batch = try head(at: position)
        else { return nil }
        return (batch.baseOffset, batch.maxTimestamp)
    }

    /// Up to `limit` bytes from `position` on, but at least the first batch whole.
    func read(from position: Int, limit: Int) throws(SystemError) -> ByteBuffer {
        guard position < size else { return ByteBuffer() }
        let first = try head(at: position)?.size ?? 0
        return try bytes(at: position, count: min(max(limit, first), size - position))
    }

    private func firstPosition(from start: Int, where matches: (RecordBatch) -> Bool) throws(SystemError) -> Int? {
        var position = start
        while let batch = try head(at: position) {
            if matches(batch) { return position }
            position += batch.size
        }
        return nil
    }

    private func head(at position: Int) throws(SystemError) -> RecordBatch? {
        guard position + RecordBatch.headSize <= size else { return nil }
        return RecordBatch(try bytes(at: position, count: RecordBatch.headSize), at: 0)
    }

    private func bytes(at position: Int, count: Int) throws(SystemError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        let number = descriptor.number
        while buffer.readableBytes < count {
            let from = position + buffer.readableBytes
            let wanted = count - buffer.readableBytes
            let got = try retrying("pread", path) {
                buffer.writeWithUnsafeMutableBytesResult(minimumWritableBytes: wanted) { memory in
                    pread(number, memory.baseAddress, wanted, from)
                }
            }
            if got == 0 { break }
        }
        return buffer
    }

    // MARK: Index

    private func note(_ batch: RecordBatch, at position: Int) {
        maxTimestamp = max(maxTimestamp, batch.maxTimestamp)
        nextOffset = batch.lastOffset + 1
        guard position - lastIndexed >= Self.indexStep else { return }
        lastIndexed = position
        index.append(IndexEntry(offset: batch.baseOffset, position: position, maxTimestamp: maxTimestamp))
    }

    /// - Returns: the position behind the last good batch.
    private func scan(verifying: Bool, _ visit: (RecordBatch) -> Void) throws(SystemError) -> Int {
        var position = 0
        while let batch = try head(at: position) {
            let end = position + batch.size
            guard batch.magic == 2, batch.size >= RecordBatch.headSize, end <= size, batch.baseOffset >= nextOffset
            else { break }
            if verifying {
                let whole = try bytes(at: position, count: batch.size)
                guard batch.isIntact(in: whole, at: 0) else { break }
            }
            note(batch, at: position)
            visit(batch)
            position = end
        }
        return position
    }
}

extension ByteBuffer {
    /// Lets a system call write, and moves the writer's index by its result where that is not negative.
    fileprivate mutating func writeWithUnsafeMutableBytesResult(
        minimumWritableBytes: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        var result = 0
        writeWithUnsafeMutableBytes(minimumWritableBytes: minimumWritableBytes) { memory in
            result = body(memory)
            return max(0, result)
        }
        return result
    }
}
