import FoundationEssentials
import NIOCore
import OrchModel
import OrchSystem

/// Where consumer groups go on reading, by group and partition.
///
/// On disk it is a journal, one JSON object a line, which is written anew when most of it is out of date. What lies behind
/// the last whole line is of a crash and left out.
struct GroupOffsets {
    struct Committed: Equatable {
        var offset: Int64
        var metadata: String
        /// When it was committed, in milliseconds since 1970.
        var at: Int64
    }

    /// One line of the journal; without an offset the entry is gone.
    private struct Entry: Codable {
        var group: String
        var topic: String
        var partition: Int32
        var offset: Int64?
        var metadata: String
        var at: Int64
    }

    /// Kafka's `offsets.retention.minutes`: a week after its last commit a group is forgotten.
    private static let retention: Int64 = 7 * 86_400_000
    /// The journal is written anew when it has so many lines more than are in use.
    private static let slack = 10_000

    private let disk: any Disk
    private let path: String
    private let file: any DiskFile
    private var size = 0
    private var lines = 0
    private(set) var needsSync = false
    private var groups: [String: [TopicPartition: Committed]] = [:]

    init(_ disk: any Disk, path: String, now: Int64) throws(SystemError) {
        self.disk = disk
        self.path = path
        let content = disk.read(path) ?? []
        var end = 0
        while let newline = content[end...].firstIndex(of: UInt8(ascii: "\n")) {
            guard let entry = try? JSONDecoder().decode(Entry.self, from: Data(content[end..<newline])) else { break }
            let place = TopicPartition(topic: entry.topic, partition: entry.partition)
            groups[entry.group, default: [:]][place] = entry.offset.map {
                Committed(offset: $0, metadata: entry.metadata, at: entry.at)
            }
            lines += 1
            end = newline + 1
        }
        groups = groups.filter { ($0.value.values.map(\.at).max() ?? 0) > now - Self.retention }
        file = try disk.open(path)
        try disk.syncFolder(Files.parent(of: path))
        size = end
        if file.size > end { try file.truncate(to: end) }
    }

    var groupIDs: [String] { groups.keys.sorted() }

    func of(_ group: String) -> [TopicPartition: Committed] { groups[group] ?? [:] }

    /// Writes them down; where that fails nothing has changed.
    mutating func commit(_ group: String, _ offsets: [TopicPartition: Committed]) throws(KafkaError) {
        try append(
            offsets.map { place, committed in
                Entry(
                    group: group, topic: place.topic, partition: place.partition, offset: committed.offset,
                    metadata: committed.metadata, at: committed.at)
            })
        groups[group, default: [:]].merge(offsets) { $1 }
        if lines > Self.slack + 2 * groups.values.reduce(0, { $0 + $1.count }) { compact() }
    }

    mutating func remove(_ group: String) throws(KafkaError) {
        try append(
            of(group).map { place, _ in
                Entry(group: group, topic: place.topic, partition: place.partition, offset: nil, metadata: "", at: 0)
            })
        groups[group] = nil
    }

    mutating func sync() throws(SystemError) {
        guard needsSync else { return }
        try file.sync()
        needsSync = false
    }

    private mutating func append(_ entries: [Entry]) throws(KafkaError) {
        guard let bytes = Self.encoded(entries) else { throw .kafkaStorageError }
        do throws(SystemError) {
            try file.write(ByteBuffer(bytes: bytes), at: size)
        } catch {
            throw .kafkaStorageError
        }
        size += bytes.count
        lines += entries.count
        needsSync = true
    }

    /// Leaves out what was overtaken. What is there stays where that fails.
    private mutating func compact() {
        let entries = groups.flatMap { group, offsets in
            offsets.map { place, committed in
                Entry(
                    group: group, topic: place.topic, partition: place.partition, offset: committed.offset,
                    metadata: committed.metadata, at: committed.at)
            }
        }
        guard let bytes = Self.encoded(entries) else { return }
        do throws(SystemError) {
            try disk.replace(path, with: bytes)
            self = try GroupOffsets(disk, path: path, now: 0)
        } catch {
            // The journal goes on as it is.
        }
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
