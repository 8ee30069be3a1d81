import COrchSystem
import CRdkafka
import Glibc
package import OrchModel
package import OrchSystem
import Synchronization

/// A record as it was read.
package struct KafkaRecord: Sendable {
    package var topic: String
    package var partition: Int32
    package var offset: Int64
    package var timestamp: Timestamp
    package var key: String?
    package var value: [UInt8]
    package var headers: [String: String]

    package init(
        topic: String, partition: Int32, offset: Int64, timestamp: Timestamp, key: String?, value: [UInt8],
        headers: [String: String]
    ) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }
}

/// Reads partitions from offsets that the caller keeps; no consumer group is involved.
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
    package init(
        settings: KafkaSettings, reactor: Reactor, longestWait: TimeSpan,
        onNotice: @escaping @Sendable (KafkaNotice) -> Void
    ) throws {
        let configuration = try settings.configuration([
            "fetch.wait.max.ms": String(longestWait.milliseconds),
            "fetch.error.backoff.ms": "100",
            "queued.min.messages": "1000",
            "queued.max.messages.kbytes": "4096",
            "enable.partition.eof": "true",
            "reconnect.backoff.max.ms": "2000",
            "auto.offset.reset": "earliest",
        ])
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

    /// What has come, at least one record or the end of a partition; waits without a clock.
    ///
    /// Cancelling returns an empty batch at once. One caller at a time.
    package func next() async throws(OrchError) -> (
        records: [KafkaRecord], ends: [(topic: String, partition: Int32, offset: Int64)]
    ) {
        while !Task.isCancelled {
            // Cleared before the queue is looked at, so that what comes meanwhile wakes us again.
            state.mutex.withLock { $0.hasNews = false }
            let batch = try poll()
            if !batch.records.isEmpty || !batch.ends.isEmpty { return batch }
            await sleepUntilNews()
        }
        return ([], [])
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

    private func poll() throws(OrchError) -> (
        records: [KafkaRecord], ends: [(topic: String, partition: Int32, offset: Int64)]
    ) {
        var messages = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: Self.batchSize)
        let count = rd_kafka_consume_batch_queue(queue.pointer, 0, &messages, Self.batchSize)
        guard count > 0 else { return ([], []) }
        defer { for message in messages.prefix(count) { rd_kafka_message_destroy(message) } }
        var records: [KafkaRecord] = []
        records.reserveCapacity(count)
        var ends: [(topic: String, partition: Int32, offset: Int64)] = []
        for message in messages.prefix(count).compactMap(\.self) {
            let topic = String(cString: rd_kafka_topic_name(message.pointee.rkt))
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: records.append(record(message, topic))
            case RD_KAFKA_RESP_ERR__PARTITION_EOF:
                ends.append((topic, message.pointee.partition, message.pointee.offset))
            case let error:
                // What came with it counts; an error that lasts comes again by itself.
                if records.isEmpty, ends.isEmpty, count == 1 {
                    throw OrchError(kafka: error, "topic \(topic) cannot be read")
                }
            }
        }
        // The eventfd tells only of a queue that was empty: there may be more.
        if count == Self.batchSize { state.mutex.withLock { $0.hasNews = true } }
        return (records, ends)
    }

    private func record(_ message: UnsafeMutablePointer<rd_kafka_message_t>, _ topic: String) -> KafkaRecord {
        let content = message.pointee
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let milliseconds = rd_kafka_message_timestamp(message, &type)
        return KafkaRecord(
            topic: topic, partition: content.partition, offset: content.offset,
            timestamp: Timestamp(milliseconds: max(0, milliseconds)),
            key: content.key.map {
                String(decoding: UnsafeRawBufferPointer(start: $0, count: content.key_len), as: UTF8.self)
            },
            value: content.payload.map { Array(UnsafeRawBufferPointer(start: $0, count: content.len)) } ?? [],
            headers: headers(of: message))
    }

    private func headers(of message: UnsafeMutablePointer<rd_kafka_message_t>) -> [String: String] {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR else { return [:] }
        var all: [String: String] = [:]
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        var index = 0
        while rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            if let name, let value {
                all[String(cString: name)] = String(
                    decoding: UnsafeRawBufferPointer(start: value, count: size), as: UTF8.self)
            }
            index += 1
        }
        return all
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
