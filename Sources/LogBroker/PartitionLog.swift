import NIOCore
import OrchModel
import OrchSystem

/// The log of one partition: segments in a folder, the last of which grows.
///
/// Confined to the broker's disk thread. Whatever ``append(_:)`` has returned for survives a `kill -9` of this process;
/// a crash of the machine may lose what was not yet synced.
final class PartitionLog {
    /// What an idempotent producer has sent last, to recognise what it sends again.
    private struct ProducerState {
        var epoch: Int16
        /// The newest five batches, as many as a producer may have in flight.
        var recent: [(first: Int32, last: Int32, offset: Int64)]
    }

    private static let batchesRemembered = 5

    private let folder: String
    private let settings: BrokerSettings
    private var segments: [Segment] = []
    private var producers: [Int64: ProducerState] = [:]
    private(set) var needsSync = false

    init(folder: String, settings: BrokerSettings) throws(SystemError) {
        self.folder = folder
        self.settings = settings
        try Files.makeFolder(folder)
        let bases = Files.list(folder).compactMap(Segment.baseOffset(fileName:)).sorted()
        for base in bases {
            let segment = try Segment(folder: folder, baseOffset: base, verifying: base == bases.last) { remember($0) }
            segments.append(segment)
        }
        if segments.isEmpty { try roll(at: 0) }
    }

    /// Bytes that were cut off its end when it was opened: a record that was being written in a crash, or damage.
    var tornBytes: Int { segments.last?.tornBytes ?? 0 }

    var startOffset: Int64 { segments.first?.baseOffset ?? 0 }
    /// The offset that the next record gets.
    var endOffset: Int64 { segments.last?.nextOffset ?? 0 }

    // MARK: Writing

    /// Gives the batches their offsets and writes them.
    ///
    /// - Returns: the offset of the first record; for a batch that was sent before, the one it got then.
    func append(_ records: ByteBuffer) throws(KafkaError) -> Int64 {
        let parsed = try RecordBatch.parse(records)
        guard !parsed.isEmpty else { return endOffset }
        for (batch, _) in parsed where batch.size > settings.maxMessageBytes { throw .messageTooLarge }

        var bytes = records
        var accepted: [(batch: RecordBatch, index: Int)] = []
        var next = endOffset
        for (batch, index) in parsed {
            if let earlier = try offsetOfDuplicate(batch) {
                // A producer puts one batch a partition into a request, so all of it is known.
                return earlier
            }
            var placed = batch
            placed.baseOffset = next
            bytes.setInteger(next, at: index)
            // The epoch of the leader lies outside of the checksum, as the base offset does.
            bytes.setInteger(Int32(0), at: index + 12)
            accepted.append((placed, index))
            next = placed.lastOffset + 1
        }
        do throws(SystemError) {
            if let last = segments.last, last.size > 0, last.size + bytes.readableBytes > settings.segmentBytes {
                try roll(at: endOffset)
            }
            try segments.last?.append(bytes, batches: accepted)
        } catch {
            throw .kafkaStorageError
        }
        needsSync = true
        for (batch, _) in accepted { remember(batch) }
        return accepted[0].batch.baseOffset
    }

    func sync() throws(SystemError) {
        guard needsSync else { return }
        try segments.last?.sync()
        needsSync = false
    }

    private func roll(at offset: Int64) throws(SystemError) {
        try sync()
        segments.append(try Segment(folder: folder, baseOffset: offset, verifying: false) { _ in })
        removeExpired(now: .now())
    }

    /// Removes whole segments beyond the bounds of size and age; never the one that grows.
    func removeExpired(now: Timestamp) {
        var total = segments.reduce(0) { $0 + $1.size }
        let oldest = now.milliseconds - settings.retention.milliseconds
        while segments.count > 1, total > settings.retentionBytes || segments[0].maxTimestamp < oldest {
            total -= segments[0].size
            segments[0].remove()
            segments.removeFirst()
        }
    }

    // MARK: Idempotent producers

    private func remember(_ batch: RecordBatch) {
        guard batch.producerID >= 0 else { return }
        var state = producers[batch.producerID] ?? ProducerState(epoch: batch.producerEpoch, recent: [])
        if state.epoch != batch.producerEpoch { state = ProducerState(epoch: batch.producerEpoch, recent: []) }
        state.recent.append((batch.baseSequence, batch.lastSequence, batch.baseOffset))
        if state.recent.count > Self.batchesRemembered { state.recent.removeFirst() }
        producers[batch.producerID] = state
    }

    /// - Returns: the offset that this batch got when it came before, or `nil` when it is new and next in line.
    private func offsetOfDuplicate(_ batch: RecordBatch) throws(KafkaError) -> Int64? {
        guard batch.producerID >= 0, let state = producers[batch.producerID], let last = state.recent.last else {
            return nil
        }
        if batch.producerEpoch < state.epoch { throw .invalidProducerEpoch }
        if batch.producerEpoch > state.epoch { return nil }
        if let known = state.recent.first(where: { $0.first == batch.baseSequence && $0.last == batch.lastSequence }) {
            return known.offset
        }
        // Sequence numbers wrap from 2^31 - 1 to 0.
        guard batch.baseSequence == last.last &+ 1 & Int32.max else { throw .outOfOrderSequenceNumber }
        return nil
    }

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

    /// The first record of `timestamp` (milliseconds since 1970) or later, to the precision of its batch.
    func firstOffset(at timestamp: Int64) throws(KafkaError) -> (offset: Int64, timestamp: Int64)? {
        do throws(SystemError) {
            for segment in segments {
                if let found = try segment.firstOffset(at: timestamp) { return found }
            }
            return nil
        } catch {
            throw .kafkaStorageError
        }
    }
}
