import CRdkafka
import Glibc

/// Records as they were read, in librdkafka's own memory.
package final class KafkaBatch: @unchecked Sendable {
    // What librdkafka has handed out is only read until it is given back.
    private let messages: [UnsafeMutablePointer<rd_kafka_message_t>]
    /// The partitions that were read to their ends, with the offset behind the last record.
    package let ends: [(topic: String, partition: Int32, offset: Int64)]

    static let empty = KafkaBatch([], ends: [])

    init(
        _ messages: [UnsafeMutablePointer<rd_kafka_message_t>],
        ends: [(topic: String, partition: Int32, offset: Int64)]
    ) {
        self.messages = messages
        self.ends = ends
    }

    deinit { for message in messages { rd_kafka_message_destroy(message) } }

    package var hasRecords: Bool { !messages.isEmpty }

    /// Calls `body` with every record, which is valid in the call only.
    package func visit(_ body: (KafkaRecordView) -> Void) {
        var topic: (pointer: OpaquePointer, name: String)?
        for message in messages {
            guard let pointer = message.pointee.rkt else { continue }
            if topic?.pointer != pointer { topic = (pointer, String(cString: rd_kafka_topic_name(pointer))) }
            guard let name = topic?.name else { continue }
            body(KafkaRecordView(message: message, topic: name))
        }
    }
}

/// One record of a batch, valid only while that is visited.
package struct KafkaRecordView {
    fileprivate let message: UnsafeMutablePointer<rd_kafka_message_t>
    package let topic: String

    package var partition: Int32 { message.pointee.partition }
    package var offset: Int64 { message.pointee.offset }
    package var key: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len)
    }
    package var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len)
    }

    /// In milliseconds since 1970; negative where the broker tells none.
    package var timestamp: Int64 {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        return rd_kafka_message_timestamp(message, &type)
    }

    /// Calls `body` with every header's name and value.
    package func visitHeaders(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        var index = 0
        while rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            if let name {
                body(
                    UnsafeRawBufferPointer(start: name, count: strlen(name)),
                    UnsafeRawBufferPointer(start: value, count: size))
            }
            index += 1
        }
    }
}
