import NIOCore

/// What the idempotent producers of a partition have sent last, to recognise what they send again.
struct ProducerTable: Equatable {
    private struct Sent: Equatable {
        var first: Int32
        var last: Int32
        var offset: Int64
    }

    private struct Producer: Equatable {
        var epoch: Int16
        /// The newest batches, as many as a producer may have in flight.
        var recent: [Sent] = []
        /// The timestamp of its last batch, in milliseconds since 1970.
        var lastTimestamp: Int64
    }

    /// `max.in.flight.requests.per.connection` of an idempotent producer.
    private static let batchesRemembered = 5
    /// Kafka's `producer.id.expiration.ms`: after a day without a batch a producer is forgotten.
    private static let expiry: Int64 = 86_400_000

    private var producers: [Int64: Producer] = [:]

    init() {}

    /// The highest number of a producer; -1 for none.
    var newest: Int64 { producers.keys.max() ?? -1 }

    mutating func remember(_ batch: RecordBatch) {
        guard batch.producerID >= 0 else { return }
        var producer = producers[batch.producerID] ?? Producer(epoch: batch.producerEpoch, lastTimestamp: 0)
        if producer.epoch != batch.producerEpoch { producer = Producer(epoch: batch.producerEpoch, lastTimestamp: 0) }
        producer.recent.append(Sent(first: batch.baseSequence, last: batch.lastSequence, offset: batch.baseOffset))
        if producer.recent.count > Self.batchesRemembered { producer.recent.removeFirst() }
        producer.lastTimestamp = batch.maxTimestamp
        producers[batch.producerID] = producer
    }

    /// - Returns: the offset that this batch got when it came before, or `nil` when it is new and next in line.
    func offsetOfDuplicate(_ batch: RecordBatch) throws(KafkaError) -> Int64? {
        guard batch.producerID >= 0, let producer = producers[batch.producerID], let last = producer.recent.last else {
            return nil
        }
        if batch.producerEpoch < producer.epoch { throw .invalidProducerEpoch }
        if batch.producerEpoch > producer.epoch { return nil }
        if let known = producer.recent.first(where: { $0.first == batch.baseSequence && $0.last == batch.lastSequence })
        {
            return known.offset
        }
        // Sequence numbers wrap from 2^31 - 1 to 0.
        guard batch.baseSequence == (last.last &+ 1) & .max else { throw .outOfOrderSequenceNumber }
        return nil
    }

    mutating func forgetExpired(now milliseconds: Int64) {
        producers = producers.filter { $0.value.lastTimestamp > milliseconds - Self.expiry }
    }

    // MARK: On disk

    func encode(into bytes: inout ByteBuffer) {
        bytes.writeInteger(Int32(producers.count))
        for (id, producer) in producers {
            bytes.writeInteger(id)
            bytes.writeInteger(producer.epoch)
            bytes.writeInteger(producer.lastTimestamp)
            bytes.writeInteger(Int8(producer.recent.count))
            for sent in producer.recent {
                bytes.writeInteger(sent.first)
                bytes.writeInteger(sent.last)
                bytes.writeInteger(sent.offset)
            }
        }
    }

    /// - Returns: `nil` where the bytes end early.
    init?(_ bytes: inout ByteBuffer) {
        guard let count = bytes.readInteger(as: Int32.self) else { return nil }
        for _ in 0..<max(0, count) {
            guard let id = bytes.readInteger(as: Int64.self), let epoch = bytes.readInteger(as: Int16.self),
                let lastTimestamp = bytes.readInteger(as: Int64.self), let sentCount = bytes.readInteger(as: Int8.self)
            else { return nil }
            var producer = Producer(epoch: epoch, lastTimestamp: lastTimestamp)
            for _ in 0..<max(0, sentCount) {
                guard let first = bytes.readInteger(as: Int32.self), let last = bytes.readInteger(as: Int32.self),
                    let offset = bytes.readInteger(as: Int64.self)
                else { return nil }
                producer.recent.append(Sent(first: first, last: last, offset: offset))
            }
            producers[id] = producer
        }
    }
}
