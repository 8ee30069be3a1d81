import FoundationEssentials
import OrchModel

/// What can be set for a topic, by the names that Kafka has for it (kafka.apache.org/documentation, "Topic Configs").
struct TopicConfiguration: Equatable, Sendable {
    /// Segments beyond so many bytes go, the oldest first; -1 for no bound.
    var retentionBytes: Int
    /// Segments whose newest record is older go; -1 for no bound.
    var retentionMilliseconds: Int64
    var segmentBytes: Int
    /// The largest batch.
    var maxMessageBytes: Int
    /// Which of them the topic has been given, by name; the others follow the broker's.
    private(set) var given: [String: String] = [:]

    init(_ settings: BrokerSettings) {
        retentionBytes = settings.retentionBytes
        retentionMilliseconds = settings.retention.milliseconds
        segmentBytes = settings.segmentBytes
        maxMessageBytes = settings.maxMessageBytes
    }

    /// - Throws: `invalidConfig` for a name that is none of ours, or a value out of range.
    mutating func set(_ name: String, to text: String) throws(KafkaError) {
        switch name {
        case "retention.bytes": retentionBytes = Int(try Self.number(text, in: -1 ... .max))
        case "retention.ms": retentionMilliseconds = try Self.number(text, in: -1 ... .max)
        case "segment.bytes": segmentBytes = Int(try Self.number(text, in: 1 << 10...1 << 31 - 1))
        case "max.message.bytes": maxMessageBytes = Int(try Self.number(text, in: 1 << 10...Int64(Self.largestBatch)))
        // What cannot be otherwise here may be said.
        default: guard Self.fixed[name] == text else { throw .invalidConfig }
        }
        given[name] = text
    }

    /// All of it, in the order of the names.
    var entries: [(name: String, value: String, isGiven: Bool)] {
        var all = Self.fixed
        all["retention.bytes"] = String(retentionBytes)
        all["retention.ms"] = String(retentionMilliseconds)
        all["segment.bytes"] = String(segmentBytes)
        all["max.message.bytes"] = String(maxMessageBytes)
        return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value, given[$0.key] != nil) }
    }

    /// A request is bounded, and a batch must fit into one.
    private static let largestBatch = 8 << 20

    private static let fixed = [
        "cleanup.policy": "delete", "compression.type": "producer", "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "1",
    ]

    private static func number(_ text: String, in range: ClosedRange<Int64>) throws(KafkaError) -> Int64 {
        guard let number = Int64(text), range.contains(number) else { throw .invalidConfig }
        return number
    }

    // MARK: On disk

    /// What was given, as JSON; the broker's own settings may change between two starts.
    var encoded: [UInt8] { (try? JSONEncoder().encode(given)).map(Array.init) ?? [] }

    mutating func restore(_ content: [UInt8]) {
        let stored = (try? JSONDecoder().decode([String: String].self, from: Data(content))) ?? [:]
        for (name, value) in stored { try? set(name, to: value) }
    }
}
