package struct TopicView: Codable, Sendable {
    package var name: TopicName
    package var partitions: Int
    package var records: Int64

    package init(name: TopicName, partitions: Int, records: Int64) {
        self.name = name
        self.partitions = partitions
        self.records = records
    }
}

/// One line of output as `orch logs` hands it on.
package struct LogLine: Codable, Sendable {
    package var at: Timestamp
    package var topic: TopicName
    package var instance: String
    package var stream: String
    package var level: String
    /// Gapless per instance, from 1; 0 where somebody else wrote the record.
    package var seq: Int64
    package var line: String
    /// The bytes of the line in Base64, where they are no UTF-8.
    package var base64: String?
    /// The number of the line that this one goes on from, as a stack trace does from the error above it.
    package var continues: Int64?
    /// It is shown for a line near it.
    package var context: Bool?

    package init(
        at: Timestamp, topic: TopicName, instance: String, stream: String, level: String, seq: Int64, line: String,
        base64: String? = nil, continues: Int64? = nil, context: Bool? = nil
    ) {
        self.at = at
        self.topic = topic
        self.instance = instance
        self.stream = stream
        self.level = level
        self.seq = seq
        self.line = line
        self.base64 = base64
        self.continues = continues
        self.context = context
    }
}
