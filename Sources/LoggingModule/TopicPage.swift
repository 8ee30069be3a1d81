import OrchKafka
import OrchModel

/// What is known of one topic's file; all of it is written down together.
struct TopicFileState: Codable {
    /// Where reading goes on, by partition.
    var offsets: [Int32: Int64] = [:]
    /// Bytes of the file that belong to these offsets; what lies behind was written just before a crash.
    var fileSize: Int64 = 0
    /// The entries that are written, to fold what was sent twice.
    var seen: SeenEntries? = SeenEntries()
    /// When the file was begun, in seconds since 1970.
    var begunAt: Int64?
}

/// What is to be appended to one topic's file.
struct TopicPage {
    let topic: TopicName
    var state: TopicFileState
    private(set) var text: [UInt8] = []
    /// The instance of the last line: mostly the next is of the same.
    private var instance = ""

    var name: String { topic.rawValue }

    init(topic: TopicName, state: TopicFileState) {
        self.topic = topic
        self.state = state
    }

    mutating func add(_ record: KafkaRecordView) {
        state.offsets[record.partition] = record.offset + 1
        let head = RecordHead(record)
        if head.seq > 0 {
            if !instance.utf8.elementsEqual(head.instance) {
                instance = String(decoding: head.instance, as: UTF8.self)
            }
            if state.seen?.insert(head.seq, of: instance) == false { return }
        }
        append(head, record.value)
    }

    /// One line a record: line ends within it, which other producers' records may have, are written as `\n`.
    private mutating func append(_ head: RecordHead, _ value: UnsafeRawBufferPointer) {
        head.at.append(to: &text)
        for word in [head.instance, head.stream] {
            text.append(UInt8(ascii: " "))
            if word.isEmpty { text.append(UInt8(ascii: "-")) } else { text.append(contentsOf: word) }
        }
        text.append(UInt8(ascii: " "))
        text.append(contentsOf: head.level.rawValue.utf8)
        text.append(UInt8(ascii: " "))
        if value.contains(UInt8(ascii: "\n")) {
            for byte in value {
                if byte == UInt8(ascii: "\n") { text.append(contentsOf: "\\n".utf8) } else { text.append(byte) }
            }
        } else {
            text.append(contentsOf: value)
        }
        text.append(UInt8(ascii: "\n"))
    }
}
