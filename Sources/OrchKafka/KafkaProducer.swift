import CRdkafka
import Glibc
package import OrchModel
package import OrchSystem
import Synchronization

/// An idempotent producer: everything it accepts arrives exactly once and in order, or is reported as failed.
package final class KafkaProducer: @unchecked Sendable {
    // Immutable but for librdkafka's own state, which is thread-safe.

    /// What became of a record.
    package struct Delivery: Sendable {
        /// What ``produce(_:)`` was called with.
        package var token: UInt64
        /// `nil` when the broker has it.
        package var failure: Failure?
    }

    package enum Failure: Sendable, Equatable {
        /// The broker refuses the batch that the record was sent in for good: it is too large, or a record in it is not
        /// taken. Others may pass.
        case refused(String)
        /// It may be sent again later, possibly by a new producer.
        case notSent(String)
    }

    package struct Record: ~Copyable {
        package var key: String
        package var value: UnsafeRawBufferPointer
        package var timestamp: Timestamp
        package var headers: RecordHeaders
        package var token: UInt64

        package init(
            key: String, value: UnsafeRawBufferPointer, timestamp: Timestamp, headers: consuming RecordHeaders,
            token: UInt64
        ) {
            self.key = key
            self.value = value
            self.timestamp = timestamp
            self.headers = headers
            self.token = token
        }
    }

    /// How much goes into one request to a partition. Brokers bound it, and refuse what is larger as a whole.
    package enum BatchSize: Int, Comparable, Sendable {
        case single = 0
        case small = 14_000
        case medium = 56_000
        case large = 225_000
        /// Below the bound that brokers have by default, 1 MiB and 12 bytes.
        case full = 900_000

        /// The next smaller one.
        package var smaller: BatchSize? {
            switch self {
            case .full: .large
            case .large: .medium
            case .medium: .small
            case .small: .single
            case .single: nil
            }
        }

        package static func < (left: BatchSize, right: BatchSize) -> Bool { left.rawValue < right.rawValue }
    }

    private let handle: KafkaHandle
    private let topics = Mutex<[String: Topic]>([:])

    /// - Parameters:
    ///   - onDelivery: gets the outcome of records in batches, on the reactor's thread; must not block.
    ///   - onNotice: the same for what librdkafka says of itself.
    package init(
        settings: KafkaSettings, batchSize: BatchSize, reactor: Reactor,
        onDelivery: @escaping @Sendable ([Delivery]) -> Void,
        onNotice: @escaping @Sendable (KafkaNotice) -> Void
    ) throws {
        let configuration = try settings.configuration([
            "batch.size": String(batchSize == .single ? BatchSize.full.rawValue : batchSize.rawValue),
            "batch.num.messages": batchSize == .single ? "1" : "10000",
            "enable.idempotence": "true",
            "compression.codec": "lz4",
            "linger.ms": "5",
            // A record that waits for a broker never times out: what to give up is decided by the spool's bound alone.
            "message.timeout.ms": "0",
            // Bounds what waits in memory, and what is sent twice after a crash; whoever produces waits when it is reached.
            "queue.buffering.max.messages": "20000",
            "queue.buffering.max.kbytes": "16384",
            "reconnect.backoff.max.ms": "2000",
        ])
        rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        handle = try KafkaHandle(RD_KAFKA_PRODUCER, configuration: configuration, reactor: reactor) { event in
            if rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR {
                onDelivery(Self.deliveries(in: event))
            } else if let notice = KafkaHandle.notice(in: event) {
                onNotice(notice)
            }
        }
    }

    /// Queues a record; its bytes are copied.
    ///
    /// - Returns: `nil` when it is queued; `queueFull` when it has to be tried again after some deliveries, or why it can
    ///   never be sent.
    package func produce(_ record: consuming Record, to topic: Topic) -> Refusal? {
        var arguments = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 7)
        arguments[0].vtype = RD_KAFKA_VTYPE_RKT
        arguments[0].u.rkt = topic.pointer
        arguments[1].vtype = RD_KAFKA_VTYPE_KEY
        arguments[2].vtype = RD_KAFKA_VTYPE_VALUE
        arguments[2].u.mem.ptr = UnsafeMutableRawPointer(mutating: record.value.baseAddress)
        arguments[2].u.mem.size = record.value.count
        arguments[3].vtype = RD_KAFKA_VTYPE_TIMESTAMP
        arguments[3].u.i64 = record.timestamp.milliseconds
        arguments[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        arguments[4].u.i = RD_KAFKA_MSG_F_COPY
        arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS
        arguments[5].u.headers = record.headers.pointer
        arguments[6].vtype = RD_KAFKA_VTYPE_OPAQUE
        arguments[6].u.ptr = UnsafeMutableRawPointer(bitPattern: UInt(record.token))
        var key = record.key
        let error = key.withUTF8 { key in
            arguments[1].u.mem.ptr = UnsafeMutableRawPointer(mutating: key.baseAddress)
            arguments[1].u.mem.size = key.count
            return rd_kafka_produceva(handle.client, arguments, arguments.count)
        }
        guard let error else {
            record.headers.handOver()
            return nil
        }
        defer { rd_kafka_error_destroy(error) }
        let code = rd_kafka_error_code(error)
        return code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? .queueFull : .never(String(cString: rd_kafka_err2str(code)))
    }

    package enum Refusal: Equatable {
        case queueFull
        case never(String)
    }

    /// A topic to produce to. Valid as long as its producer is open.
    package struct Topic: @unchecked Sendable {
        // One of librdkafka's thread-safe objects.
        fileprivate let pointer: OpaquePointer
    }

    package func topic(_ name: String) throws(OrchError) -> Topic {
        try topics.withLock { (topics) throws(OrchError) in
            if let known = topics[name] { return known }
            guard let pointer = rd_kafka_topic_new(handle.client, name, nil) else {
                throw OrchError(kafka: rd_kafka_last_error(), "nothing can be sent to topic \(name)")
            }
            let topic = Topic(pointer: pointer)
            topics[name] = topic
            return topic
        }
    }

    /// Waits at most `span` for what is on its way. Blocks.
    package func flush(waiting span: TimeSpan) { rd_kafka_flush(handle.client, Int32(span.milliseconds)) }

    /// Ends it; what is on its way is given up. Blocks.
    package func close() {
        rd_kafka_purge(
            handle.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
        for topic in topics.withLock(\.values) { rd_kafka_topic_destroy(topic.pointer) }
        handle.close()
    }

    private static func deliveries(in event: OpaquePointer) -> [Delivery] {
        let count = rd_kafka_event_message_count(event)
        var messages = [UnsafePointer<rd_kafka_message_t>?](repeating: nil, count: count)
        let found = rd_kafka_event_message_array(event, &messages, count)
        return messages.prefix(found).compactMap { message in
            guard let message = message?.pointee else { return nil }
            let token = UInt64(UInt(bitPattern: message._private))
            return Delivery(token: token, failure: failure(of: message.err))
        }
    }

    private static func failure(of error: rd_kafka_resp_err_t) -> Failure? {
        if error == RD_KAFKA_RESP_ERR_NO_ERROR { return nil }
        let text = String(cString: rd_kafka_err2str(error))
        switch error {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
            return .refused(text)
        default: return .notSent(text)
        }
    }
}
