import OrchKafka
import OrchModel

/// What the headers of a record say about its line. Records of other producers have none of them.
struct LogRecord {
    var at: Timestamp
    var instance: String
    var stream: String
    var level: LogLevel
    var seq: Int64
    var isPartial: Bool

    init(at: Timestamp, instance: String, stream: String, level: LogLevel, seq: Int64, isPartial: Bool) {
        self.at = at
        self.instance = instance
        self.stream = stream
        self.level = level
        self.seq = seq
        self.isPartial = isPartial
    }

    init(_ record: KafkaRecord) {
        at = record.headers["at"].flatMap { Int64($0) }.map { Timestamp(nanoseconds: $0) } ?? record.timestamp
        instance = record.headers["instance"] ?? record.key ?? "-"
        stream = record.headers["stream"] ?? "-"
        seq = record.headers["seq"].flatMap { Int64($0) } ?? 0
        isPartial = record.headers["partial"] != nil
        level =
            record.headers["level"].flatMap(LogLevel.init(rawValue:))
            ?? record.value.withUnsafeBytes { LevelDetector.level(of: $0) }
    }
}
