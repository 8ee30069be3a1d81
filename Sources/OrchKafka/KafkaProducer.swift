import CRdkafka
import Glibc
package import OrchModel
package import OrchSystem

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
        /// The broker refuses this record for good; others may pass.
        case refused(String)
        /// It may be sent again later, possibly by a new producer.
        case notSent(String)
    }

    package struct Record {
        package var topic: String
        package var key: String
        package var value: UnsafeRawBufferPointer
        package var timestamp: Timestamp
        package var headers: [(name: StaticString, value: String)]
        package var token: UInt64

        package init(
            topic: String, key: String, value: UnsafeRawBufferPointer, timestamp: Timestamp,
            headers: [(name: StaticString, value: String)], token: UInt64
        ) {
            self.topic = topic
            self.key = key
            self.value = value
            self.timestamp = timestamp
            self.headers = headers
            self.token = token
        }
    }

    private let handle: KafkaHandle

    /// - Parameters:
    ///   - onDelivery: gets the outcome of records in batches, on the reactor's thread; must not block.
    ///   - onNotice: the same for what librdkafka says of itself.
    package init(
        settings: KafkaSettings, reactor: Reactor, onDelivery: @escaping @Sendable ([Delivery]) -> Void,
        onNotice: @escaping @Sendable (KafkaNotice) -> Void
    ) throws {
        let configuration = try settings.configuration([
            "enable.idempotence": "true",
            "compression.codec": "lz4",
            "linger.ms": "5",
            // A record that waits for a broker never times out: what to give up is decided by the spool's bound alone.
            "message.timeout.ms": "0",
            // Bounds what waits in memory; whoever produces waits when it is reached.
            "queue.buffering.max.messages": "100000",
            "queue.buffering.max.kbytes": "32768",
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
    /// - Returns: `false` when the queue is full: try again after some deliveries.
    /// - Throws: when the record can never be sent.
    package func produce(_ record: Record) throws(OrchError) -> Bool {
        let headers = rd_kafka_headers_new(record.headers.count)
        for header in record.headers {
            var value = header.value
            value.withUTF8 { bytes in
                _ = header.name.utf8Start.withMemoryRebound(to: CChar.self, capacity: header.name.utf8CodeUnitCount) {
                    rd_kafka_header_add(headers, $0, header.name.utf8CodeUnitCount, bytes.baseAddress, bytes.count)
                }
            }
        }
        var key = record.key
        let error = key.withUTF8 { key in
            record.topic.withCString { topic in
                send(topic: topic, key: key, record: record, headers: headers)
            }
        }
        if let error {
            let code = rd_kafka_error_code(error)
            rd_kafka_error_destroy(error)
            // The headers are librdkafka's only after success.
            rd_kafka_headers_destroy(headers)
            if code == RD_KAFKA_RESP_ERR__QUEUE_FULL { return false }
            throw OrchError(kafka: code, "a record for topic \(record.topic) was not accepted")
        }
        return true
    }

    private func send(
        topic: UnsafePointer<CChar>, key: UnsafeBufferPointer<UInt8>, record: Record, headers: OpaquePointer?
    ) -> OpaquePointer? {
        var arguments = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 7)
        arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC
        arguments[0].u.cstr = topic
        arguments[1].vtype = RD_KAFKA_VTYPE_KEY
        arguments[1].u.mem.ptr = UnsafeMutableRawPointer(mutating: key.baseAddress)
        arguments[1].u.mem.size = key.count
        arguments[2].vtype = RD_KAFKA_VTYPE_VALUE
        arguments[2].u.mem.ptr = UnsafeMutableRawPointer(mutating: record.value.baseAddress)
        arguments[2].u.mem.size = record.value.count
        arguments[3].vtype = RD_KAFKA_VTYPE_TIMESTAMP
        arguments[3].u.i64 = record.timestamp.milliseconds
        arguments[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        arguments[4].u.i = RD_KAFKA_MSG_F_COPY
        arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS
        arguments[5].u.headers = headers
        arguments[6].vtype = RD_KAFKA_VTYPE_OPAQUE
        arguments[6].u.ptr = UnsafeMutableRawPointer(bitPattern: UInt(record.token))
        return rd_kafka_produceva(handle.client, arguments, arguments.count)
    }

    /// Waits at most `span` for what is on its way. Blocks.
    package func flush(waiting span: TimeSpan) { rd_kafka_flush(handle.client, Int32(span.milliseconds)) }

    /// Ends it; what is on its way is given up. Blocks.
    package func close() {
        rd_kafka_purge(
            handle.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
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
        let isForGood =
            error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_RECORD
            || error == RD_KAFKA_RESP_ERR_INVALID_MSG || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        return isForGood ? .refused(text) : .notSent(text)
    }
}
