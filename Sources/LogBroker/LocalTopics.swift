import NIOCore
package import OrchModel

/// The broker's topics for readers in the same process: batches come straight from the log, without the network.
package struct LocalTopics: Sendable {
    let store: BrokerStore

    package func partitionCounts() async -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in await store.topicNames { counts[name] = await store.partitionCount(name) }
        return counts
    }

    /// Makes a topic that is not there yet.
    package func make(_ topic: String) async throws(OrchError) {
        do throws(KafkaError) { _ = try await store.partitionCountMaking(topic) } catch {
            throw OrchError(.failed, "topic \(topic) cannot be made: \(error)")
        }
    }

    /// The first offset and the one behind the last.
    ///
    /// - Throws: `notFound` for a partition that does not exist.
    package func bounds(of topic: String, partition: Int32) async throws(OrchError) -> (start: Int64, end: Int64) {
        do throws(KafkaError) {
            return try await store.bounds(TopicPartition(topic: topic, partition: partition))
        } catch {
            throw Self.error(error, topic)
        }
    }

    /// The first offset with a record of `time` or later; the end when there is none.
    package func offset(of topic: String, partition: Int32, at time: Timestamp) async throws(OrchError) -> Int64 {
        let place = TopicPartition(topic: topic, partition: partition)
        do throws(KafkaError) {
            if let found = try await store.firstOffset(place, at: time.milliseconds) { return found.offset }
            return try await store.bounds(place).end
        } catch {
            throw Self.error(error, topic)
        }
    }

    /// What lies from `offset` on, about `limit` bytes of it, batch by batch; the first may begin before `offset`.
    ///
    /// - Returns: nothing at the end, and the offset to go on from.
    package func read(_ topic: String, partition: Int32, from offset: Int64, limit: Int) async throws(OrchError) -> (
        batches: [RecordSet], next: Int64
    ) {
        let place = TopicPartition(topic: topic, partition: partition)
        var offset = offset
        do throws(KafkaError) {
            // What retention has taken is not there any more.
            offset = max(offset, try await store.bounds(place).start)
            let bytes = try await store.read(place, from: offset, limit: limit)
            return Self.decode(bytes, from: offset)
        } catch .offsetOutOfRange {
            // The topic was begun anew, or its end was lost in a crash.
            let end = (try? await store.bounds(place).end) ?? 0
            return ([], min(offset, end))
        } catch {
            throw Self.error(error, topic)
        }
    }

    /// What is unpacked at once, in bytes, before the next batch is left for later.
    private static let mostUnpacked = 16 << 20

    private static func decode(_ bytes: ByteBuffer, from offset: Int64) -> (batches: [RecordSet], next: Int64) {
        var batches: [RecordSet] = []
        var next = offset
        var index = bytes.readerIndex
        var unpacked = 0
        while let batch = RecordBatch(bytes, at: index), batch.size >= RecordBatch.headSize,
            batch.size <= bytes.writerIndex - index
        {
            // A batch that cannot be read is passed over: nobody's lines behind it may wait for it.
            if let records = RecordSet(bytes, at: index, batch) {
                batches.append(records)
                unpacked += records.size
            }
            next = batch.lastOffset + 1
            index += batch.size
            if unpacked > mostUnpacked { break }
        }
        return (batches, next)
    }

    /// Returns once one of the partitions has grown beyond the offset named with it, or the task is cancelled.
    package func waitForGrowth(beyond offsets: [(topic: String, partition: Int32, offset: Int64)]) async {
        let places = offsets.map { (TopicPartition(topic: $0.topic, partition: $0.partition), $0.offset) }
        await store.waitForGrowth(beyond: Dictionary(places) { min($0, $1) })
    }

    private static func error(_ error: KafkaError, _ topic: String) -> OrchError {
        switch error {
        case .unknownTopicOrPartition: OrchError(.notFound, "there is no topic \(topic)")
        default: OrchError(.failed, "topic \(topic) cannot be read: \(error)")
        }
    }
}
