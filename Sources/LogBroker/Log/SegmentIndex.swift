import COrchSystem
import NIOCore

/// Where the batches of a segment lie, by offset and by time. Sparse: one entry for about every ``step`` bytes, so that
/// 10 GB of log take 4 MB of memory.
///
/// The index of a segment that is full is written beside it, together with what is known of the producers by then: a
/// broker that starts reads the batches of the newest segment only.
struct SegmentIndex: Equatable {
    struct Entry: Equatable {
        var offset: Int64
        var position: Int
        /// The largest timestamp in the file before this entry's batch, in milliseconds since 1970; -1 at its beginning.
        var maxTimestampBefore: Int64
    }

    static let step = 65_536
    private static let version: Int32 = 1
    private static let entrySize = 24

    private(set) var entries: [Entry] = []
    /// Bytes of batches that it describes.
    private(set) var size = 0
    private(set) var nextOffset: Int64
    private(set) var maxTimestamp: Int64 = -1

    init(baseOffset: Int64) { nextOffset = baseOffset }

    /// Takes in the batch that follows.
    mutating func add(_ batch: RecordBatch) {
        if entries.isEmpty || size - (entries.last?.position ?? 0) >= Self.step {
            entries.append(Entry(offset: batch.baseOffset, position: size, maxTimestampBefore: maxTimestamp))
        }
        maxTimestamp = max(maxTimestamp, batch.maxTimestamp)
        nextOffset = batch.lastOffset + 1
        size += batch.size
    }

    /// Where to look for the batch with `offset`: from the position on, up to the next entry.
    func range(of offset: Int64) -> Range<Int> { range { $0.offset <= offset } }

    /// Where to look for the first batch whose timestamp is `time` or later.
    func range(at time: Int64) -> Range<Int> { range { $0.maxTimestampBefore < time } }

    /// The stretch behind the last entry of those in front that satisfy the predicate.
    private func range(_ isBefore: (Entry) -> Bool) -> Range<Int> {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(entries[middle]) { low = middle + 1 } else { high = middle }
        }
        let start = low == 0 ? 0 : entries[low - 1].position
        return start..<(low < entries.count ? entries[low].position : size)
    }

    // MARK: On disk

    func encoded(with producers: ProducerTable) -> [UInt8] {
        var bytes = ByteBuffer()
        bytes.writeInteger(Self.version)
        bytes.writeInteger(Int64(size))
        bytes.writeInteger(nextOffset)
        bytes.writeInteger(maxTimestamp)
        bytes.writeInteger(Int32(entries.count))
        for entry in entries {
            bytes.writeInteger(entry.offset)
            bytes.writeInteger(Int64(entry.position))
            bytes.writeInteger(entry.maxTimestampBefore)
        }
        producers.encode(into: &bytes)
        bytes.writeInteger(Self.checksum(bytes.readableBytesView))
        return Array(bytes.readableBytesView)
    }

    /// - Returns: `nil` unless all of it is whole and describes a segment of `size` bytes.
    static func decoded(_ content: [UInt8], size: Int) -> (SegmentIndex, ProducerTable)? {
        guard content.count > 4 else { return nil }
        var bytes = ByteBuffer(bytes: content.dropLast(4))
        var tail = ByteBuffer(bytes: content.suffix(4))
        guard tail.readInteger(as: UInt32.self) == checksum(bytes.readableBytesView),
            bytes.readInteger(as: Int32.self) == version, bytes.readInteger(as: Int64.self) == Int64(size),
            let nextOffset = bytes.readInteger(as: Int64.self), let maxTimestamp = bytes.readInteger(as: Int64.self),
            let count = bytes.readInteger(as: Int32.self), count >= 0,
            Int(count) * entrySize <= bytes.readableBytes
        else { return nil }
        var index = SegmentIndex(baseOffset: nextOffset)
        (index.size, index.maxTimestamp) = (size, maxTimestamp)
        index.entries.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let offset = bytes.readInteger(as: Int64.self), let position = bytes.readInteger(as: Int64.self),
                let before = bytes.readInteger(as: Int64.self)
            else { return nil }
            index.entries.append(Entry(offset: offset, position: Int(position), maxTimestampBefore: before))
        }
        guard let producers = ProducerTable(&bytes) else { return nil }
        return (index, producers)
    }

    private static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        Array(bytes).withUnsafeBytes { bytes in bytes.baseAddress.map { orch_crc32c(0, $0, bytes.count) } ?? 0 }
    }
}
