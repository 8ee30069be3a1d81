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

    package init(
        at: Timestamp, topic: TopicName, instance: String, stream: String, level: String, seq: Int64, line: String
    ) {
        self.at = at
        self.topic = topic
        self.instance = instance
        self.stream = stream
        self.level = level
        self.seq = seq
        self.line = line
    }
}
