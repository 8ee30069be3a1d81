import NIOCore
import OrchModel

extension RequestHandler {
    /// The most that one fetch answers with, whatever the client allows: it bounds what a connection whose client does not
    /// read holds in memory. A single larger batch goes whole.
    private static let largestFetch = 1 << 20
    /// How long a fetch may be made to wait, in milliseconds.
    private static let longestWait: Int32 = 300_000

    // MARK: Produce

    private struct ProduceResult {
        var partition: Int32
        var error: KafkaError
        var base: Int64
        var start: Int64
    }

    /// - Returns: whether the client waits for an answer.
    func produce(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws -> Bool {
        if version >= 3 { _ = try frame.kafkaNullableString() }
        let acknowledgements = try frame.kafkaInteger(Int16.self)
        _ = try frame.kafkaInteger(Int32.self)
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    (index: try bytes.kafkaInteger(Int32.self), records: try bytes.kafkaNullableBytes())
                }
            )
        }
        var results: [(name: String, partitions: [ProduceResult])] = []
        for topic in topics {
            var partitions: [ProduceResult] = []
            for partition in topic.partitions {
                var result = ProduceResult(partition: partition.index, error: .none, base: -1, start: -1)
                do throws(KafkaError) {
                    let place = TopicPartition(topic: topic.name, partition: partition.index)
                    (result.base, result.start) = try await store.append(partition.records ?? ByteBuffer(), to: place)
                } catch {
                    result.error = error
                }
                partitions.append(result)
            }
            results.append((topic.name, partitions))
        }
        guard acknowledgements != 0 else { return false }
        response.writeKafkaArray(results) { response, topic in
            response.writeKafkaString(topic.name)
            response.writeKafkaArray(topic.partitions) { response, result in
                response.writeInteger(result.partition)
                response.writeInteger(result.error.rawValue)
                response.writeInteger(result.base)
                // The records keep the time that the producer gave them.
                if version >= 2 { response.writeInteger(Int64(-1)) }
                if version >= 5 { response.writeInteger(result.start) }
                if version >= 8 {
                    response.writeInteger(Int32(0))
                    response.writeKafkaNullableString(nil)
                }
            }
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        return true
    }

    // MARK: Fetch

    func fetch(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        _ = try frame.kafkaInteger(Int32.self)
        let longestWait = min(try frame.kafkaInteger(Int32.self), Self.longestWait)
        let wantedBytes = Int(try frame.kafkaInteger(Int32.self))
        let mostBytes = min(Int(try frame.kafkaInteger(Int32.self)), Self.largestFetch)
        let fewestBytes = min(wantedBytes, mostBytes)
        _ = try frame.kafkaInteger(Int8.self)
        if version >= 7 { _ = (try frame.kafkaInteger(Int32.self), try frame.kafkaInteger(Int32.self)) }
        var partitions = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            let topic = try bytes.kafkaString()
            return try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                let index = try bytes.kafkaInteger(Int32.self)
                if version >= 9 { _ = try bytes.kafkaInteger(Int32.self) }
                let offset = try bytes.kafkaInteger(Int64.self)
                if version >= 5 { _ = try bytes.kafkaInteger(Int64.self) }
                let limit = Int(try bytes.kafkaInteger(Int32.self))
                return FetchPartition(
                    place: TopicPartition(topic: topic, partition: index), offset: offset, limit: limit)
            }
        }.flatMap(\.self)

        let deadline = ContinuousClock.now + .milliseconds(Int(longestWait))
        while true {
            partitions = await store.fetch(partitions, mostBytes: mostBytes)
            let size = partitions.reduce(0) { $0 + $1.records.readableBytes }
            if size >= max(1, fewestBytes) || partitions.contains(where: { $0.error != .none }) { break }
            guard deadline > .now, !Task.isCancelled else { break }
            // Growth is asked for beyond what was just seen, so that what comes meanwhile is not waited for.
            let ends = Dictionary(partitions.map { ($0.place, $0.end) }) { first, _ in first }
            await withDeadline(deadline) { [store] in await store.waitForGrowth(beyond: ends) }
        }
        write(partitions, version, into: &response)
    }

    private func write(_ partitions: [FetchPartition], _ version: Int16, into response: inout ByteBuffer) {
        response.reserveCapacity(minimumWritableBytes: partitions.reduce(256) { $0 + $1.records.readableBytes + 128 })
        response.writeInteger(Int32(0))
        if version >= 7 {
            response.writeInteger(KafkaError.none.rawValue)
            // No fetch sessions: 0 tells the client so (KIP-227).
            response.writeInteger(Int32(0))
        }
        let topics = Dictionary(grouping: partitions) { $0.place.topic }
        response.writeKafkaArray(topics) { response, topic in
            response.writeKafkaString(topic.key)
            response.writeKafkaArray(topic.value) { response, partition in
                response.writeInteger(partition.place.partition)
                response.writeInteger(partition.error.rawValue)
                response.writeInteger(partition.end)
                response.writeInteger(partition.end)
                if version >= 5 { response.writeInteger(partition.start) }
                response.writeInteger(Int32(-1))
                if version >= 11 { response.writeInteger(Int32(-1)) }
                response.writeInteger(Int32(partition.records.readableBytes))
                response.writeImmutableBuffer(partition.records)
            }
        }
    }

    // MARK: ListOffsets

    private static let latest: Int64 = -1
    private static let earliest: Int64 = -2

    func listOffsets(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        _ = try frame.kafkaInteger(Int32.self)
        if version >= 2 { _ = try frame.kafkaInteger(Int8.self) }
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    let index = try bytes.kafkaInteger(Int32.self)
                    if version >= 4 { _ = try bytes.kafkaInteger(Int32.self) }
                    return (index: index, timestamp: try bytes.kafkaInteger(Int64.self))
                }
            )
        }
        if version >= 2 { response.writeInteger(Int32(0)) }
        response.writeInteger(Int32(topics.count))
        for topic in topics {
            response.writeKafkaString(topic.name)
            response.writeInteger(Int32(topic.partitions.count))
            for partition in topic.partitions {
                var failure = KafkaError.none
                var found: (offset: Int64, timestamp: Int64) = (-1, -1)
                do throws(KafkaError) {
                    let place = TopicPartition(topic: topic.name, partition: partition.index)
                    switch partition.timestamp {
                    case Self.latest: found.offset = try await store.bounds(place).end
                    case Self.earliest: found.offset = try await store.bounds(place).start
                    default: found = try await store.firstOffset(place, at: partition.timestamp) ?? (-1, -1)
                    }
                } catch {
                    failure = error
                }
                response.writeInteger(partition.index)
                response.writeInteger(failure.rawValue)
                response.writeInteger(found.timestamp)
                response.writeInteger(found.offset)
                if version >= 4 { response.writeInteger(Int32(0)) }
            }
        }
    }

    // MARK: OffsetForLeaderEpoch

    /// There is one leader, whose epoch is 0 for ever: what a client has read under it ends where the partition does.
    func offsetForLeaderEpoch(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer)
        async throws
    {
        if version >= 3 { _ = try frame.kafkaInteger(Int32.self) }
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    let index = try bytes.kafkaInteger(Int32.self)
                    if version >= 2 { _ = try bytes.kafkaInteger(Int32.self) }
                    return (index: index, epoch: try bytes.kafkaInteger(Int32.self))
                }
            )
        }
        if version >= 2 { response.writeInteger(Int32(0)) }
        response.writeInteger(Int32(topics.count))
        for topic in topics {
            response.writeKafkaString(topic.name)
            response.writeInteger(Int32(topic.partitions.count))
            for partition in topic.partitions {
                var failure = KafkaError.none
                var (epoch, end): (Int32, Int64) = (-1, -1)
                do throws(KafkaError) {
                    let bounds = try await store.bounds(TopicPartition(topic: topic.name, partition: partition.index))
                    if partition.epoch >= 0 { (epoch, end) = (0, bounds.end) }
                } catch {
                    failure = error
                }
                response.writeKafkaError(failure)
                response.writeInteger(partition.index)
                if version >= 1 { response.writeInteger(epoch) }
                response.writeInteger(end)
            }
        }
    }
}
