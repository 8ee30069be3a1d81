import COrchSystem
import CRdkafka
import Glibc
package import OrchModel
package import OrchSystem
import Synchronization

/// Reads partitions from offsets that the caller keeps.
package final class KafkaConsumer: @unchecked Sendable {
    // `queue` and the handle are librdkafka's thread-safe objects; the rest is behind the mutex.

    private struct State {
        /// librdkafka's topic objects by name, and which of their partitions are read.
        var topics: [String: (pointer: SendablePointer, partitions: Set<Int32>)] = [:]
        var waiter: CheckedContinuation<Void, Never>?
        var hasNews = true
        var isClosed = false
    }

    private static let batchSize = 1000

    private let handle: KafkaHandle
    private let queue: SendablePointer
    private let reactor: Reactor
    private let wakeUp: Int32
    private let token: Reactor.Token
    private let state: Shared

    /// The mutex in an object of its own, which the reactor's handler can hold before `self` is complete.
    private final class Shared: Sendable {
        let mutex = Mutex(State())

        func wake() {
            mutex.withLock { state in
                state.hasNews = true
                state.waiter?.resume()
                state.waiter = nil
            }
        }
    }

    /// - Parameter longestWait: how long the broker may hold an answer back while there is nothing new. What comes is
    ///   handed out at once all the same, but a partition that is started meanwhile waits for that answer.
    /// - Parameter group: the consumer group whose offsets ``commit(_:)`` sets.
    package init(
        settings: KafkaSettings, reactor: Reactor, longestWait: TimeSpan, group: String? = nil,
        onNotice: @escaping @Sendable (KafkaNotice) -> Void
    ) throws {
        let configuration = try settings.configuration(
            [
                "enable.auto.commit": "false",
                "fetch.wait.max.ms": String(longestWait.milliseconds),
                "fetch.error.backoff.ms": "100",
                "queued.min.messages": "1000",
                "queued.max.messages.kbytes": "4096",
                "enable.partition.eof": "true",
                "reconnect.backoff.max.ms": "2000",
                "auto.offset.reset": "earliest",
            ].merging(group.map { ["group.id": $0] } ?? [:]) { $1 })
        rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        handle = try KafkaHandle(RD_KAFKA_CONSUMER, configuration: configuration, reactor: reactor) { event in
            if let notice = KafkaHandle.notice(in: event) { onNotice(notice) }
        }
        self.reactor = reactor
        queue = SendablePointer(rd_kafka_queue_new(handle.client))
        let state = Shared()
        self.state = state
        do {
            let wakeUp = try Descriptor(owning: checked("eventfd", orch_eventfd()))
            let number = wakeUp.number
            token = try reactor.watch(number) {
                var count: UInt64 = 0
                _ = read(number, &count, 8)
                state.wake()
            }
            self.wakeUp = wakeUp.release()
        } catch {
            rd_kafka_queue_destroy(queue.pointer)
            handle.close()
            throw error
        }
        enableWakeUps(of: queue.pointer, through: wakeUp)
    }

    /// Begins to read a partition at an offset. A partition that is read already goes on as it is.
    package func start(_ topic: String, partition: Int32, at offset: Int64) throws(OrchError) {
        try state.mutex.withLock { (state) throws(OrchError) in
            if state.topics[topic] == nil {
                guard let pointer = rd_kafka_topic_new(handle.client, topic, nil) else {
                    throw OrchError(kafka: rd_kafka_last_error(), "topic \(topic) cannot be read")
                }
                state.topics[topic] = (SendablePointer(pointer), [])
            }
            guard let entry = state.topics[topic], !entry.partitions.contains(partition) else { return }
            guard rd_kafka_consume_start_queue(entry.pointer.pointer, partition, offset, queue.pointer) == 0 else {
                throw OrchError(kafka: rd_kafka_last_error(), "topic \(topic) cannot be read")
            }
            state.topics[topic]?.partitions.insert(partition)
        }
    }

    /// Lets the broker and its tools know how far the group has come; does not wait for it. The group has no members, which
    /// anybody may commit for (KIP-211).
    package func commit(_ offsets: [(topic: String, partition: Int32, offset: Int64)]) {
        let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for place in offsets {
            rd_kafka_topic_partition_list_add(list, place.topic, place.partition).pointee.offset = place.offset
        }
        rd_kafka_commit(handle.client, list, 1)
    }

    /// What has come, at least one record or the end of a partition; waits without a clock.
    ///
    /// Cancelling returns an empty batch at once. One caller at a time.
    package func next() async throws(OrchError) -> KafkaBatch {
        while !Task.isCancelled {
            // Cleared before the queue is looked at, so that what comes meanwhile wakes us again.
            state.mutex.withLock { $0.hasNews = false }
            let batch = try poll()
            if batch.hasRecords || !batch.ends.isEmpty { return batch }
            await sleepUntilNews()
        }
        return .empty
    }

    private func sleepUntilNews() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.mutex.withLock { state in
                    if state.hasNews || state.isClosed || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            state.wake()
        }
    }

    private func poll() throws(OrchError) -> KafkaBatch {
        var messages = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: Self.batchSize)
        let count = rd_kafka_consume_batch_queue(queue.pointer, 0, &messages, Self.batchSize)
        guard count > 0 else { return .empty }
        var records: [UnsafeMutablePointer<rd_kafka_message_t>] = []
        records.reserveCapacity(count)
        var ends: [(topic: String, partition: Int32, offset: Int64)] = []
        var failure: OrchError?
        for message in messages.prefix(count).compactMap(\.self) {
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                records.append(message)
                continue
            }
            let topic = String(cString: rd_kafka_topic_name(message.pointee.rkt))
            if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF {
                ends.append((topic, message.pointee.partition, message.pointee.offset))
            } else {
                failure = OrchError(kafka: message.pointee.err, "topic \(topic) cannot be read")
            }
            rd_kafka_message_destroy(message)
        }
        // What came with it counts; an error that lasts comes again by itself.
        if let failure, records.isEmpty, ends.isEmpty, count == 1 { throw failure }
        // The eventfd tells only of a queue that was empty: there may be more.
        if count == Self.batchSize { state.mutex.withLock { $0.hasNews = true } }
        return KafkaBatch(records, ends: ends)
    }

    /// Ends it and whoever waits in ``next()``. Blocks while librdkafka's threads end.
    package func close() {
        let topics = state.mutex.withLock { state in
            state.isClosed = true
            defer { state.topics = [:] }
            return state.topics
        }
        state.wake()
        rd_kafka_queue_io_event_enable(queue.pointer, -1, nil, 0)
        let done = Semaphore()
        let wakeUp = wakeUp
        reactor.unwatch(token) {
            Glibc.close(wakeUp)
            done.signal()
        }
        done.wait()
        for topic in topics.values {
            for partition in topic.partitions { rd_kafka_consume_stop(topic.pointer.pointer, partition) }
            rd_kafka_topic_destroy(topic.pointer.pointer)
        }
        rd_kafka_queue_destroy(queue.pointer)
        handle.close()
    }
}
