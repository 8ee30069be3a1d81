import LogBroker
import OrchKafka
import OrchModel

/// A record from wherever it was read, valid only while it is visited.
protocol RecordContent {
    var key: UnsafeRawBufferPointer { get }
    var value: UnsafeRawBufferPointer { get }
    /// In milliseconds since 1970.
    var timestamp: Int64 { get }
    func visitHeaders(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void)
}

extension RecordView: RecordContent {}
extension KafkaRecordView: RecordContent {}

/// What the headers of a record say about its line, in the record's memory. Records of other producers have none of them.
struct RecordHead {
    var at: Timestamp
    var instance: UnsafeRawBufferPointer
    var stream: UnsafeRawBufferPointer
    var level = LogLevel.unknown
    var seq: Int64 = 0
    var isPartial = false

    init(_ record: some RecordContent) {
        at = Timestamp(milliseconds: max(0, record.timestamp))
        instance = record.key
        stream = UnsafeRawBufferPointer(start: nil, count: 0)
        var found = self
        var hasLevel = false
        record.visitHeaders { name, value in
            switch PackedWord(name) {
            case Self.atName: Self.number(value).map { found.at = Timestamp(nanoseconds: $0) }
            case Self.instanceName: found.instance = value
            case Self.streamName: found.stream = value
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

/// The same, to keep.
struct LogRecord {
    var at: Timestamp
    var instance: String
    var stream: String
    var level: LogLevel
    var seq: Int64
    var isPartial: Bool

    init(_ head: RecordHead) {
        at = head.at
        instance = head.instance.isEmpty ? "-" : String(decoding: head.instance, as: UTF8.self)
        stream = head.stream.isEmpty ? "-" : String(decoding: head.stream, as: UTF8.self)
        level = head.level
        seq = head.seq
        isPartial = head.isPartial
    }
}
