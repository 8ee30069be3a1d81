import OrchKafka
import OrchModel
import OrchSystem

/// One spool on its way to a topic: how far it is read, sent, and acknowledged.
struct ShippingSource {
    /// What one source may have on its way, in records and in bytes of text: a flood by one leaves room for the others.
    static let window = 4096
    static let windowBytes = 2 << 20

    let id: String
    let topic: TopicName
    let folder: String
    var reader: SpoolReader
    var rate: LineRate
    /// What was read and is not all sent yet.
    var chunk: SpoolReader.Chunk?
    var nextLine = 0
    /// The loss before the current chunk has been told.
    var hasToldLoss = false
    private(set) var inFlight = 0
    private var bytesInFlight = 0
    /// The sizes of the records on their way, oldest first.
    private var sizes: [Int] = []
    private var firstSize = 0
    /// The ends of the chunks that were sent, with the number of their last entry; they become checkpoints.
    private var marks: [(lastEntry: Int64, end: SpoolReader.Position, lost: Int64)] = []
    private(set) var acknowledged: Int64 = 0
    private(set) var checkpoint: SpoolReader.Position
    private var lostAtCheckpoint: Int64
    /// Entries that are gone for good.
    private(set) var lost: Int64
    /// Lines of level error and above that were sent since it was made; those that had to be sent again count again.
    var errorLines: Int64 = 0
    /// Called when the last entry is acknowledged, after which the source ends.
    var onDrained: (@Sendable () -> Void)?
    /// A record came back unsent: everything behind the checkpoint is sent again once nothing is in flight.
    var mustResend = false
    /// Why the broker does not take what is sent, such as a topic that may not be written.
    var trouble: String?

    /// - Parameter folder: holds the folder `spool` and gets the file `shipped`.
    init(id: String, topic: TopicName, folder: String, linesPerSecond: Int) {
        self.id = id
        self.topic = topic
        self.folder = folder
        rate = LineRate(linesPerSecond: linesPerSecond)
        let fields = ((try? Files.readText("\(folder)/shipped")) ?? "").split(whereSeparator: \.isWhitespace).compactMap
        { Int64($0) }
        checkpoint = .beginning
        lost = 0
        if fields.count == 4 {
            checkpoint = SpoolReader.Position(segment: fields[0], offset: Int(fields[1]), entry: fields[2])
            lost = fields[3]
        }
        lostAtCheckpoint = lost
        acknowledged = checkpoint.entry - 1
        reader = SpoolReader(folder: "\(folder)/spool", position: checkpoint)
    }

    /// The end of what lies in the spool now. Its entry is not known.
    var spoolEnd: SpoolReader.Position {
        guard let last = SpoolFormat.segments(in: "\(folder)/spool").last else { return .beginning }
        let size = Files.size("\(folder)/spool/\(SpoolFormat.fileName(last))") ?? 0
        return SpoolReader.Position(segment: last, offset: Int(size), entry: 0)
    }

    /// Whether all before a place in the spool is acknowledged.
    func hasShipped(to end: SpoolReader.Position) -> Bool {
        (checkpoint.segment, checkpoint.offset) >= (end.segment, end.offset)
    }

    /// The last look found nothing new.
    private var isAtEnd = false

    /// The last chunk reached the end of what there was.
    private var wasCaughtUp = false

    /// Something may have been written since the last look.
    mutating func lookAgain() { wasCaughtUp = false }

    /// All that was written has been read, sent and acknowledged.
    var isDrained: Bool { isAtEnd && chunk == nil && inFlight == 0 && marks.isEmpty }

    /// Bytes that wait in the spool, as far as they have been noticed.
    var backlog: Int64 {
        // Thousands of sources have nothing, and folders take time.
        if isDrained { return 0 }
        return SpoolFormat.segments(in: "\(folder)/spool")
            .filter { $0 >= checkpoint.segment }
            .reduce(-Int64(checkpoint.offset)) { $0 + (Files.size("\(folder)/spool/\(SpoolFormat.fileName($1))") ?? 0) }
    }

    // MARK: Reading

    /// The next chunk becomes current; `false` when there is none.
    mutating func readNext() throws(SystemError) -> Bool {
        isAtEnd = false
        // What is written after that look is told by the folder's watch.
        guard !wasCaughtUp, let next = try reader.next() else {
            wasCaughtUp = false
            isAtEnd = true
            return false
        }
        wasCaughtUp = reader.isCaughtUp
        lost += next.lost
        chunk = next
        nextLine = 0
        hasToldLoss = next.lost == 0
        return true
    }

    /// The current chunk is sent to its end.
    mutating func finishChunk() {
        guard let done = chunk else { return }
        marks.append((done.firstEntry + Int64(done.lines.count) - 1, done.end, lost))
        chunk = nil
        // All that was sent of it may have been acknowledged before its end was reached.
        advance()
    }

    // MARK: Sending

    var hasRoom: Bool { inFlight < Self.window && bytesInFlight < Self.windowBytes }

    mutating func noteSent(bytes: Int) {
        inFlight += 1
        bytesInFlight += bytes
        sizes.append(bytes)
    }

    /// One that was sent is on its way no longer, whatever became of it. They come back in order.
    mutating func noteReturned() {
        inFlight -= 1
        guard firstSize < sizes.count else { return }
        bytesInFlight -= sizes[firstSize]
        firstSize += 1
        if firstSize >= 4096 {
            sizes.removeFirst(firstSize)
            firstSize = 0
        }
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
        lostAtCheckpoint = last.lost
        marks.removeFirst(done.count)
        return true
    }

    /// Writes the checkpoint down and removes what lies before it. Not synced: after a crash of the machine some lines
    /// are sent again, which readers fold by their numbers.
    ///
    /// It is written over the earlier one, whose room it has: on a disk that the spools have filled this is what frees it.
    func saveCheckpoint() throws(SystemError) {
        let path = "\(folder)/shipped"
        let fields = "\(checkpoint.segment) \(checkpoint.offset) \(checkpoint.entry) \(lostAtCheckpoint)"
        let line = fields + String(repeating: " ", count: max(0, Self.checkpointSize - 1 - fields.utf8.count)) + "\n"
        if Files.size(path) == Int64(Self.checkpointSize) {
            try Files.overwrite(path, with: Array(line.utf8))
        } else {
            try Files.replace(path, with: line)
        }
        for segment in SpoolFormat.segments(in: "\(folder)/spool") where segment < checkpoint.segment {
            Files.remove("\(folder)/spool/\(SpoolFormat.fileName(segment))")
        }
    }

    /// Room for four numbers, in bytes; less than a sector, which disks write whole.
    private static let checkpointSize = 100

    /// Goes back to the checkpoint, to send what lies behind it again.
    mutating func rewind() {
        reader.rewind(to: checkpoint)
        rate = LineRate(linesPerSecond: rate.linesPerSecond)
        lost = lostAtCheckpoint
        chunk = nil
        nextLine = 0
        (inFlight, bytesInFlight, firstSize) = (0, 0, 0)
        sizes = []
        marks = []
        mustResend = false
        isAtEnd = false
        wasCaughtUp = false
    }

    /// An entry that has not been acknowledged, read again from the spool.
    func entry(_ number: Int64) -> (SpoolEntry, text: [UInt8])? {
        var again = SpoolReader(folder: "\(folder)/spool", position: checkpoint)
        defer { again.close() }
        while let chunk = try? again.next() {
            let index = number - chunk.firstEntry
            guard index >= 0 else { return nil }
            guard index < chunk.lines.count else { continue }
            return chunk.bytes.withUnsafeBytes { bytes in
                let entry = SpoolEntry(bytes, line: chunk.lines[Int(index)], fallback: .now())
                return (entry, Array(bytes[entry.text]))
            }
        }
        return nil
    }
}
