import COrchSystem
import NIOCore

/// The fixed head of a record batch, format 2 (kafka.apache.org/documentation, "Record Batch"). The records behind it, which
/// may be compressed, are none of the broker's business.
struct RecordBatch: Equatable {
    /// Bytes of the head, from the base offset to the count of records.
    static let headSize = 61
    /// Where `batchLength` counts from.
    static let lengthPrefix = 12

    var baseOffset: Int64
    /// All bytes of the batch, head included.
    var size: Int
    var magic: Int8
    var checksum: UInt32
    var lastOffsetDelta: Int32
    var maxTimestamp: Int64
    var producerID: Int64
    var producerEpoch: Int16
    var baseSequence: Int32
    var recordCount: Int32

    var lastOffset: Int64 { baseOffset + Int64(lastOffsetDelta) }
    var lastSequence: Int32 { (baseSequence &+ lastOffsetDelta) & .max }

    /// Reads a head that begins at `index`; `nil` when fewer than ``headSize`` bytes are there.
    init?(_ buffer: ByteBuffer, at index: Int) {
        guard index + Self.headSize <= buffer.writerIndex,
            let baseOffset = buffer.getInteger(at: index, as: Int64.self),
            let length = buffer.getInteger(at: index + 8, as: Int32.self),
            let magic = buffer.getInteger(at: index + 16, as: Int8.self),
            let checksum = buffer.getInteger(at: index + 17, as: UInt32.self),
            let lastOffsetDelta = buffer.getInteger(at: index + 23, as: Int32.self),
            let maxTimestamp = buffer.getInteger(at: index + 35, as: Int64.self),
            let producerID = buffer.getInteger(at: index + 43, as: Int64.self),
            let producerEpoch = buffer.getInteger(at: index + 51, as: Int16.self),
            let baseSequence = buffer.getInteger(at: index + 53, as: Int32.self),
            let recordCount = buffer.getInteger(at: index + 57, as: Int32.self)
        else { return nil }
        self.baseOffset = baseOffset
        size = Int(length) + Self.lengthPrefix
        self.magic = magic
        self.checksum = checksum
        self.lastOffsetDelta = lastOffsetDelta
        self.maxTimestamp = maxTimestamp
        self.producerID = producerID
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        self.recordCount = recordCount
    }

    /// Whether the batch at `index` is whole and its checksum, which covers everything from the attributes on, is right.
    func isIntact(in buffer: ByteBuffer, at index: Int) -> Bool {
        guard magic == 2, size >= Self.headSize, index + size <= buffer.writerIndex else { return false }
        let covered = index + 21 - buffer.readerIndex
        return buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return orch_crc32c(0, base + covered, size - 21) == checksum
        }
    }

    /// The batches that `records` consists of, each with its index in the buffer.
    ///
    /// - Throws: ``KafkaError`` for an older format, a wrong length, checksum or count.
    static func parse(_ records: ByteBuffer) throws(KafkaError) -> [(batch: RecordBatch, index: Int)] {
        var batches: [(RecordBatch, Int)] = []
        var index = records.readerIndex
        while index < records.writerIndex {
            if let magic = records.getInteger(at: index + 16, as: Int8.self), magic < 2 {
                throw .unsupportedForMessageFormat
            }
            guard let batch = RecordBatch(records, at: index), batch.size >= headSize else { throw .corruptMessage }
            guard batch.isIntact(in: records, at: index) else { throw .corruptMessage }
            guard batch.recordCount > 0, batch.lastOffsetDelta == batch.recordCount - 1 else { throw .invalidRecord }
            batches.append((batch, index))
            index += batch.size
        }
        return batches
    }
}
