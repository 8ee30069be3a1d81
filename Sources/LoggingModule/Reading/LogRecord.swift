import LogBroker
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
        seq = Self.entry(record.headers["seq"].flatMap { Int64($0) })
        isPartial = record.headers["partial"] != nil
        level =
            record.headers["level"].flatMap(LogLevel.init(rawValue:))
            ?? record.value.withUnsafeBytes { LevelDetector.level(of: $0) }
    }

    init(_ record: RecordView) {
        at = Timestamp(milliseconds: max(0, record.timestamp))
        instance = record.key.isEmpty ? "-" : String(decoding: record.key, as: UTF8.self)
        stream = "-"
        seq = 0
        isPartial = false
        level = .unknown
        var found = self
        var hasLevel = false
        record.visitHeaders { name, value in
            switch PackedWord(name) {
            case Self.atName: Self.number(value).map { found.at = Timestamp(nanoseconds: $0) }
            case Self.instanceName: found.instance = String(decoding: value, as: UTF8.self)
            case Self.streamName: found.stream = String(decoding: value, as: UTF8.self)
            case Self.seqName: found.seq = Self.entry(Self.number(value))
            case Self.partialName: found.isPartial = true
            case Self.levelName:
                guard let level = LogLevel.names[PackedWord(value)] else { return }
                found.level = level
                hasLevel = true
            default: break
            }
        }
        if !hasLevel { found.level = LevelDetector.level(of: record.value) }
        self = found
    }

    private static let atName: PackedWord = "at"
    private static let instanceName: PackedWord = "instance"
    private static let streamName: PackedWord = "stream"
    private static let seqName: PackedWord = "seq"
    private static let partialName: PackedWord = "partial"
    private static let levelName: PackedWord = "level"

    /// What no spool of ours can count to stands for no number: anybody may write to a topic.
    private static func entry(_ number: Int64?) -> Int64 {
        number.flatMap { (1..<1 << 44).contains($0) ? $0 : nil } ?? 0
    }

    private static func number(_ digits: UnsafeRawBufferPointer) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9"), !overflow else { return nil }
            let (sum, overflowsNow) = product.addingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
            guard !overflowsNow else { return nil }
            value = sum
        }
        return digits.isEmpty ? nil : value
    }
}
