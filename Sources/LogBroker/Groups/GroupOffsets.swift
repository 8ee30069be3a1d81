import FoundationEssentials
import NIOCore
import OrchModel
import OrchSystem

/// Where consumer groups go on reading, by group and partition.
///
/// On disk it is a journal, one JSON object a line, which is written anew when most of it is out of date. What lies behind
/// the last whole line is of a crash and left out, as are lines that cannot be read.
struct GroupOffsets {
    struct Committed: Equatable {
        var offset: Int64
        var metadata: String
    }

    /// One line of the journal; without an offset the entry is gone.
    private struct Entry: Codable {
        var group: String
        var topic: String
        var partition: Int32
        var offset: Int64?
        var metadata: String

        init(_ group: String, _ place: TopicPartition, _ committed: Committed?) {
            self.group = group
            topic = place.topic
            partition = place.partition
            offset = committed?.offset
            metadata = committed?.metadata ?? ""
        }
    }

    /// Kafka's `offsets.retention.minutes`: a group is forgotten after a week without members and commits.
    private static let retention = TimeSpan.seconds(7 * 86_400)
    /// The journal is written anew when it has so many lines more than are in use.
    private static let slack = 10_000

    private let disk: any Disk
    private let path: String
    /// `nil` after the journal was written anew, until the next line is.
    private var file: (any DiskFile)?
    private var size = 0
    private var lines = 0
    private(set) var needsSync = false
    private var groups: [String: [TopicPartition: Committed]] = [:]
    /// Since when a group has had neither members nor commits. How long it had been so before a start is not known.
    private var idleSince: [String: Timestamp] = [:]

    init(_ disk: any Disk, path: String, now: Timestamp) throws(SystemError) {
        self.disk = disk
        self.path = path
        let content = try disk.read(path) ?? []
        var end = 0
        while let newline = content[end...].firstIndex(of: UInt8(ascii: "\n")) {
            if let entry = try? JSONDecoder().decode(Entry.self, from: Data(content[end..<newline])) {
                let place = TopicPartition(topic: entry.topic, partition: entry.partition)
                groups[entry.group, default: [:]][place] = entry.offset.map {
                    Committed(offset: $0, metadata: entry.metadata)
                }
            }
            lines += 1
            end = newline + 1
        }
        groups = groups.filter { !$0.value.isEmpty }
        idleSince = groups.mapValues { _ in now }
        let opened = try disk.open(path)
        try disk.syncFolder(Files.parent(of: path))
        size = end
        if opened.size > end { try opened.truncate(to: end) }
        file = opened
    }

    var groupIDs: [String] { groups.keys.sorted() }

    func of(_ group: String) -> [TopicPartition: Committed] { groups[group] ?? [:] }

    /// Writes them down; where that fails nothing has changed.
    mutating func commit(_ group: String, _ offsets: [TopicPartition: Committed], now: Timestamp) throws(KafkaError) {
        try append(offsets.map { Entry(group, $0, $1) })
        groups[group, default: [:]].merge(offsets) { $1 }
        idleSince[group] = now
        if lines > Self.slack + 2 * groups.values.reduce(0, { $0 + $1.count }) { compact() }
    }

    mutating func remove(_ group: String) throws(KafkaError) {
        try append(of(group).map { place, _ in Entry(group, place, nil) })
        groups[group] = nil
        idleSince[group] = nil
    }

    /// Takes a topic out of all groups, as far as that can be written down.
    mutating func forget(_ topic: String) {
        for (group, offsets) in groups {
            let gone = offsets.keys.filter { $0.topic == topic }
            guard !gone.isEmpty, (try? append(gone.map { Entry(group, $0, nil) })) != nil else { continue }
            for place in gone { groups[group]?[place] = nil }
        }
    }

    /// - Parameter live: the groups that have members.
    mutating func removeExpired(now: Timestamp, live: Set<String>) {
        for group in live where groups[group] != nil { idleSince[group] = now }
        for (group, since) in idleSince where now - since > Self.retention { try? remove(group) }
    }

    mutating func sync() throws(SystemError) {
        guard needsSync else { return }
        try file?.sync()
        needsSync = false
    }

    private mutating func append(_ entries: [Entry]) throws(KafkaError) {
        guard let bytes = Self.encoded(entries) else { throw .kafkaStorageError }
        do throws(SystemError) {
            if file == nil { file = try disk.open(path) }
            try file?.write(ByteBuffer(bytes: bytes), at: size)
        } catch {
            throw .kafkaStorageError
        }
        size += bytes.count
        lines += entries.count
        needsSync = true
    }

    /// Leaves out what was overtaken. What is there stays where that fails.
    private mutating func compact() {
        let entries = groups.flatMap { group, offsets in offsets.map { Entry(group, $0, $1) } }
        guard let bytes = Self.encoded(entries), (try? disk.replace(path, with: bytes)) != nil else { return }
        file = nil
        size = bytes.count
        lines = entries.count
        needsSync = false
    }

    private static func encoded(_ entries: [Entry]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for entry in entries {
            guard let line = try? JSONEncoder().encode(entry) else { return nil }
            bytes += line
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }
}
