import NIOCore
import OrchModel
import OrchSystem

/// The log of one partition: segments in a folder, the last of which grows.
///
/// Confined to the broker's disk thread. Whatever ``append(_:durably:)`` has returned for survives a `kill -9` of this
/// process; a crash of the machine may lose what was not yet synced.
final class PartitionLog {
    private let disk: any Disk
    private let folder: String
    /// What the topic is set to.
    private let configuration: TopicConfiguration
    private var segments: [Segment] = []
    private var producers = ProducerTable()
    private(set) var needsSync = false
    /// Records below were deleted on demand; they may still lie in the first segment.
    private var deletedBelow: Int64 = 0

    init(_ disk: any Disk, folder: String, configuration: TopicConfiguration) throws(SystemError) {
        self.disk = disk
        self.folder = folder
        self.configuration = configuration
        try disk.makeFolder(folder)
        if let text = try disk.read(startFile) {
            deletedBelow = Int64(String(decoding: text, as: UTF8.self).filter(\.isNumber)) ?? 0
        }
        let bases = try disk.list(folder).compactMap(Segment.baseOffset(fileName:)).sorted()
        for base in bases {
            let segment = try open(base, isLast: base == bases.last)
            if segment.size == 0, base < endOffset {
                // One that could not be begun; what it was meant for went on in the one before.
                segment.remove()
            } else {
                segments.append(segment)
            }
        }
        // Where the power went, records may be gone that were deleted anyway: their offsets are not given again.
        if segments.isEmpty || endOffset < deletedBelow { try roll(at: deletedBelow) }
    }

    private func open(_ base: Int64, isLast: Bool) throws(SystemError) -> Segment {
        if !isLast, let sealed = try Segment(disk, sealedIn: folder, baseOffset: base) {
            if let known = sealed.producersAtEnd { producers = known }
            return sealed
        }
        let segment = try Segment(disk, recovering: folder, baseOffset: base) { producers.remember($0) }
        if !isLast {
            segment.seal(producers)
            segment.close()
        }
        return segment
    }

    /// Bytes that were cut off its segments when it was opened: a record that was being written in a crash, or damage.
    var tornBytes: Int { segments.reduce(0) { $0 + $1.tornBytes } }

    /// The highest number of an idempotent producer that is remembered; -1 for none.
    var newestProducer: Int64 { producers.newest }

    var startOffset: Int64 { max(deletedBelow, segments.first?.baseOffset ?? 0) }
    /// The offset that the next record gets.
    var endOffset: Int64 { segments.last?.nextOffset ?? 0 }
    /// Bytes on disk.
    var size: Int { segments.reduce(0) { $0 + $1.size } }

    // MARK: Writing

    /// Gives a batch its offsets and writes it.
    ///
    /// - Parameter durably: they are synced before this returns; where that fails they are taken back.
    /// - Returns: the offset of the first record; for a batch that was sent before, the one it got then.
    func append(_ records: ByteBuffer, durably: Bool = false) throws(KafkaError) -> Int64 {
        let parsed = try RecordBatch.parse(records)
        guard !parsed.isEmpty else { return endOffset }
        // What idempotence promises holds for one batch (Kafka's own rule for record batches).
        guard parsed.count == 1, let (batch, index) = parsed.first else { throw .invalidRecord }
        guard batch.size <= configuration.maxMessageBytes else { throw .messageTooLarge }
        if let earlier = try producers.offsetOfDuplicate(batch) { return earlier }

        var placed = batch
        placed.baseOffset = endOffset
        do throws(SystemError) {
            if let last = segments.last, last.size > 0, last.size + batch.size > configuration.segmentBytes {
                try roll(at: endOffset)
            }
            try write(placed, records.getSlice(at: index, length: batch.size) ?? records, durably: durably)
        } catch {
            throw .kafkaStorageError
        }
        producers.remember(placed)
        return placed.baseOffset
    }

    private func write(_ batch: RecordBatch, _ bytes: ByteBuffer, durably: Bool) throws(SystemError) {
        guard let last = segments.last else { return }
        let before = last.index
        try last.append(batch, bytes)
        guard durably else {
            needsSync = true
            return
        }
        do throws(SystemError) {
            try last.sync()
        } catch {
            // The system may have dropped what it could not write: nobody may be told that it is there.
            last.restore(before)
            throw error
        }
    }

    func sync() throws(SystemError) {
        guard needsSync else { return }
        try segments.last?.sync()
        needsSync = false
    }

    private func roll(at offset: Int64) throws(SystemError) {
        try sync()
        producers.forgetExpired(now: Timestamp.now().milliseconds)
        segments.last?.seal(producers)
        let segment = try Segment(disk, folder: folder, baseOffset: offset)
        do throws(SystemError) {
            try disk.syncFolder(folder)
        } catch {
            // What is written next goes into the one before.
            segment.remove()
            throw error
        }
        segments.last?.close()
        segments.append(segment)
        removeExpired(now: .now())
    }

    // MARK: Removing

    /// Removes whole segments beyond the bounds of size and age; never the one that grows.
    func removeExpired(now: Timestamp) {
        var total = size
        let oldest = now.milliseconds - configuration.retentionMilliseconds
        while segments.count > 1,
            isBeyond(total, configuration.retentionBytes) || isPast(segments[0].maxTimestamp, oldest)
        {
            total -= segments[0].size
            segments[0].remove()
            segments.removeFirst()
        }
    }

    private func isBeyond(_ total: Int, _ bound: Int) -> Bool { bound >= 0 && total > bound }

    private func isPast(_ timestamp: Int64, _ oldest: Int64) -> Bool {
        configuration.retentionMilliseconds >= 0 && timestamp < oldest
    }

    /// Makes records below `offset` unreadable; -1 stands for all there are. Whole segments go at once.
    ///
    /// - Returns: the first offset that can still be read.
    func deleteRecords(below offset: Int64) throws(KafkaError) -> Int64 {
        let bound = offset == -1 ? endOffset : offset
        guard bound >= 0, bound <= endOffset else { throw .offsetOutOfRange }
        guard bound > startOffset else { return startOffset }
        do throws(SystemError) {
            // Or a crash could take back the end, and leave the start behind it.
            try sync()
            try disk.replace(startFile, with: Array("\(bound)\n".utf8))
        } catch {
            throw .kafkaStorageError
        }
        deletedBelow = bound
        while segments.count > 1, segments[0].nextOffset <= bound {
            segments[0].remove()
            segments.removeFirst()
        }
        return startOffset
    }

    private var startFile: String { "\(folder)/start-offset" }

    // MARK: Reading

    /// Batches from the one that holds `offset` on, about `limit` bytes; the last may be cut off, as the protocol allows.
    func read(from offset: Int64, limit: Int) throws(KafkaError) -> ByteBuffer {
        guard offset >= startOffset, offset <= endOffset else { throw .offsetOutOfRange }
        guard offset < endOffset, let index = segments.lastIndex(where: { $0.baseOffset <= offset }) else {
            return ByteBuffer()
        }
        do throws(SystemError) {
            let segment = segments[index]
            let position = try segment.position(of: offset)
            if position < segment.size { return try segment.read(from: position, limit: limit) }
            // The rest of this segment was cut off by recovery; what follows begins the next one.
            guard index + 1 < segments.count else { return ByteBuffer() }
            return try segments[index + 1].read(from: 0, limit: limit)
        } catch {
            throw .kafkaStorageError
        }
    }

    /// The first record of `timestamp` (milliseconds since 1970) or later. In a batch that is compressed in a way we cannot
    /// read, that batch's first record stands for it.
    func firstOffset(at timestamp: Int64) throws(KafkaError) -> (offset: Int64, timestamp: Int64)? {
        do throws(SystemError) {
            for segment in segments where segment.nextOffset > startOffset {
                guard let batch = try segment.batch(at: timestamp) else { continue }
                guard let found = RecordBatch.firstRecord(in: batch, at: timestamp) else { continue }
                // What was deleted is not found.
                return (max(found.offset, startOffset), found.timestamp)
            }
            return nil
        } catch {
            throw .kafkaStorageError
        }
    }
}
