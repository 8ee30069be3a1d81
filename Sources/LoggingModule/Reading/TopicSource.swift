import LogBroker
import OrchKafka
package import OrchModel
import OrchSystem

/// Where topics are read from: a Kafka cluster, or the broker in this process without the way over the network.
package protocol TopicSource: Sendable {
    associatedtype Cursor: TopicCursor

    /// All topics with their numbers of partitions.
    func topics() async throws(OrchError) -> [String: Int]
    /// Makes a topic that is not there yet, with the defaults of whoever keeps it, where that is allowed.
    func make(_ topic: String) async throws(OrchError)
    /// The first offset and the one behind the last.
    func bounds(of place: TopicPlace) async throws(OrchError) -> (start: Int64, end: Int64)
    /// The first offset with a record of `time` or later; the end when there is none.
    func offset(of place: TopicPlace, at time: Timestamp) async throws(OrchError) -> Int64
    /// Reads from these offsets on for as long as `body` runs.
    func withCursor(_ starts: [TopicPlace: Int64], _ body: (Cursor) async throws -> Void) async throws
}

package protocol TopicCursor {
    /// What has come, at least one record or the end of a partition; waits without a clock. Where several partitions have
    /// something, what is older comes first as far as it can be told.
    ///
    /// Cancelling returns an empty batch at once. One caller at a time.
    func next() async throws(OrchError) -> ReadBatch
}

/// Some records, and the partitions that were read to their ends.
package struct ReadBatch: Sendable {
    var local: [(place: TopicPlace, records: RecordSet)] = []
    var remote: KafkaBatch?
    var ends: [TopicPlace] = []
}

/// One record as it was read. What its headers say is taken apart only where it is asked for.
struct ReadRecord {
    private enum Content {
        case local(RecordView)
        case remote(KafkaRecordView)
    }

    var place: TopicPlace
    var offset: Int64
    var value: UnsafeRawBufferPointer
    private var content: Content

    init(_ record: RecordView, in place: TopicPlace) {
        self.place = place
        (offset, value, content) = (record.offset, record.value, .local(record))
    }

    init(_ record: KafkaRecordView, in place: TopicPlace) {
        self.place = place
        (offset, value, content) = (record.offset, record.value, .remote(record))
    }

    var head: LogRecord {
        switch content {
        case .local(let record): LogRecord(RecordHead(record))
        case .remote(let record): LogRecord(RecordHead(record))
        }
    }

    /// A short form of the key, which is the instance's name in our records; `nil` where there is no key.
    var keyHash: UInt64? {
        let key =
            switch content {
            case .local(let record): record.key
            case .remote(let record): record.key
            }
        return key.isEmpty ? nil : QuickHash.hash(key)
    }

    static func hash(of instance: String) -> UInt64 { QuickHash.hash(instance.utf8) }
}
