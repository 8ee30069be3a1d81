import OrchKafka
import OrchModel
import OrchSystem

/// One spool on its way to a topic: how far it is read, sent, and acknowledged.
struct ShippingSource {
    /// Records of one source that may be on their way: a flood by one leaves room for the others.
    static let window = 8192

    let id: String
    let topic: TopicName
    let folder: String
    var reader: SpoolReader
    /// What was read and is not all sent yet.
    var chunk: SpoolReader.Chunk?
    var nextLine = 0
    var inFlight = 0
    /// The ends of the chunks that were sent, with the number of their last entry; they become checkpoints.
    private var marks: [(lastEntry: Int64, end: SpoolReader.Position)] = []
    private(set) var acknowledged: Int64 = 0
    private(set) var checkpoint: SpoolReader.Position
    /// Entries that are gone for good.
    private(set) var lost: Int64
    /// Called when the last entry is acknowledged, after which the source ends.
    var onDrained: (@Sendable () -> Void)?
    /// A record came back unsent: everything behind the checkpoint is sent again once nothing is in flight.
    var mustResend = false

    /// - Parameter folder: holds the folder `spool` and gets the file `shipped`.
    init(id: String, topic: TopicName, folder: String) {
        self.id = id
        self.topic = topic
        self.folder = folder
        let fields = ((try? Files.readText("\(folder)/shipped")) ?? "").split(whereSeparator: \.isWhitespace).compactMap
        { Int64($0) }
        checkpoint = .beginning
        lost = 0
        if fields.count == 4 {
            checkpoint = SpoolReader.Position(segment: fields[0], offset: Int(fields[1]), entry: fields[2])
            lost = fields[3]
        }
        acknowledged = checkpoint.entry - 1
        reader = SpoolReader(folder: "\(folder)/spool", position: checkpoint)
    }

    /// The number of the last entry that was read.
    var lastRead: Int64 { reader.position.entry - 1 }

    /// The last look found nothing new.
    private var isAtEnd = false

    /// All that was written has been read, sent and acknowledged.
    var isDrained: Bool { isAtEnd && chunk == nil && inFlight == 0 && marks.isEmpty }

    /// Bytes that wait in the spool.
    var backlog: Int64 {
        SpoolFormat.segments(in: "\(folder)/spool")
            .filter { $0 >= checkpoint.segment }
            .reduce(-Int64(checkpoint.offset)) { $0 + (Files.size("\(folder)/spool/\(SpoolFormat.fileName($1))") ?? 0) }
    }

    /// The next chunk becomes current; `false` when there is none.
    mutating func readNext() throws(SystemError) -> Bool {
        isAtEnd = false
        guard let next = try reader.next() else {
            isAtEnd = true
            return false
        }
        lost += next.lost
        chunk = next.lines.isEmpty ? nil : next
        nextLine = 0
        if next.lines.isEmpty {
            // Only a loss was noticed; it is remembered with the position behind it.
            marks.append((acknowledged, next.end))
            advance()
        }
        return true
    }

    /// The current chunk is sent to its end.
    mutating func finishChunk() {
        guard let done = chunk else { return }
        marks.append((done.firstEntry + Int64(done.lines.count) - 1, done.end))
        chunk = nil
    }

    /// - Returns: whether the checkpoint moved.
    mutating func acknowledge(_ entry: Int64) -> Bool {
        acknowledged = max(acknowledged, entry)
        return advance()
    }

    @discardableResult
    private mutating func advance() -> Bool {
        let done = marks.prefix { $0.lastEntry <= acknowledged }
        guard let last = done.last else { return false }
        checkpoint = last.end
        marks.removeFirst(done.count)
        return true
    }

    /// Writes the checkpoint down and removes what lies before it. Not synced: after a crash of the machine some lines
    /// are sent again, which readers fold by their numbers.
    func saveCheckpoint() throws(SystemError) {
        try Files.replace(
            "\(folder)/shipped", with: "\(checkpoint.segment) \(checkpoint.offset) \(checkpoint.entry) \(lost)\n")
        for segment in SpoolFormat.segments(in: "\(folder)/spool") where segment < checkpoint.segment {
            Files.remove("\(folder)/spool/\(SpoolFormat.fileName(segment))")
        }
    }

    mutating func rewind() {
        reader.rewind(to: checkpoint)
        chunk = nil
        nextLine = 0
        inFlight = 0
        marks = []
        mustResend = false
        isAtEnd = false
    }
}
