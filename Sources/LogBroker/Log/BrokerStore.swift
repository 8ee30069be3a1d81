import NIOCore
import OrchModel
import OrchSystem

struct TopicPartition: Hashable, Sendable {
    var topic: String
    var partition: Int32
}

/// What a client wants of one partition, and what it gets.
struct FetchPartition: Sendable {
    var place: TopicPartition
    var offset: Int64
    /// In bytes.
    var limit: Int
    var error = KafkaError.none
    var start: Int64 = -1
    var end: Int64 = -1
    var records = ByteBuffer()
}

/// All topics on disk, and those who wait for them to grow. Runs on a thread of its own, because files block.
actor BrokerStore {
    private struct Topic {
        var configuration: TopicConfiguration
        var logs: [PartitionLog]
    }

    private let executor = ThreadExecutor(name: "broker-disk")
    private let settings: BrokerSettings
    private let disk: any Disk
    private var topics: [String: Topic] = [:]
    private let waiters = ChangeWaiters<TopicPartition>()
    private var nextProducerID: Int64 = 0
    private var producerIDsReserved: Int64 = 0
    /// Sent after something was appended that has to be synced.
    private let needsSync: Signal

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(settings: BrokerSettings, disk: any Disk = LocalDisk(), needsSync: Signal = Signal()) {
        self.settings = settings
        self.disk = disk
        self.needsSync = needsSync
    }

    // MARK: Topics

    /// Reads what is on disk. Torn ends are cut off.
    ///
    /// - Returns: where that was, with the number of bytes.
    func open() throws -> [(place: TopicPartition, bytes: Int)] {
        try disk.makeFolder(settings.folder)
        try disk.syncFolder(Files.parent(of: settings.folder))
        for name in try disk.list(settings.folder) where disk.isFolder(folder(name)) {
            guard Self.isLegal(name) else {
                // What was being made or deleted in a crash.
                if name.hasSuffix(Self.unfinished) { disk.removeTree(folder(name)) }
                continue
            }
            var configuration = TopicConfiguration(settings)
            if let stored = try disk.read("\(folder(name))/\(Self.configurationFile)") { configuration.restore(stored) }
            let count = try disk.list(folder(name)).compactMap(Int.init).count
            topics[name] = Topic(configuration: configuration, logs: try openLogs(name, 0..<count, configuration))
        }
        nextProducerID = try disk.read(producerIDFile).flatMap { Int64(String(decoding: $0, as: UTF8.self)) } ?? 0
        for topic in topics.values {
            for log in topic.logs { nextProducerID = max(nextProducerID, log.newestProducer + 1) }
        }
        producerIDsReserved = nextProducerID
        return topics.flatMap { name, topic in
            topic.logs.enumerated().filter { $0.element.tornBytes > 0 }.map {
                (TopicPartition(topic: name, partition: Int32($0.offset)), $0.element.tornBytes)
            }
        }
    }

    var topicNames: [String] { topics.keys.sorted() }

    func partitionCount(_ topic: String) -> Int? { topics[topic]?.logs.count }

    func configuration(of topic: String) -> TopicConfiguration? { topics[topic]?.configuration }

    /// The settings of the broker, by the names that Kafka has for them.
    nonisolated var brokerConfiguration: [(name: String, value: String)] {
        [
            ("auto.create.topics.enable", "true"), ("log.retention.bytes", String(settings.retentionBytes)),
            ("log.retention.ms", String(settings.retention.milliseconds)),
            ("log.segment.bytes", String(settings.segmentBytes)),
            ("message.max.bytes", String(settings.maxMessageBytes)),
            ("num.partitions", String(settings.defaultPartitions)),
        ]
    }

    private static let mostPartitions = 1000
    /// Of all topics together: each has a file open.
    private static let mostPartitionsInAll = max(200, ResourceLimits.openFiles / 2)
    /// Marks a folder that is not a topic yet, or no longer: no topic's name has a tilde.
    private static let unfinished = "~"

    /// What ``create(_:partitions:configuration:)`` would be refused for, without doing it.
    func check(_ topic: String, partitions: Int, configuration: [String: String]) throws(KafkaError) {
        guard Self.isLegal(topic) else { throw .invalidTopic }
        guard topics[topic] == nil else { throw .topicAlreadyExists }
        guard partitions == -1 || (1...Self.mostPartitions).contains(partitions) else { throw .invalidPartitions }
        try checkRoom(for: partitions == -1 ? settings.defaultPartitions : partitions)
        var checked = TopicConfiguration(settings)
        for (name, value) in configuration { try checked.set(name, to: value) }
    }

    private func checkRoom(for partitions: Int) throws(KafkaError) {
        let known = topics.values.reduce(0) { $0 + $1.logs.count }
        guard known + partitions <= Self.mostPartitionsInAll else { throw .invalidPartitions }
    }

    /// The partitions of a topic, which is made with the broker's defaults where it is not there yet.
    func partitionCountMaking(_ topic: String) throws(KafkaError) -> Int {
        if let count = partitionCount(topic) { return count }
        try create(topic, partitions: -1)
        return partitionCount(topic) ?? 0
    }

    /// - Parameters:
    ///   - partitions: -1 for the default count.
    ///   - configuration: by the names of Kafka's topic settings.
    func create(_ topic: String, partitions: Int, configuration given: [String: String] = [:]) throws(KafkaError) {
        try check(topic, partitions: partitions, configuration: given)
        let count = partitions == -1 ? settings.defaultPartitions : partitions
        var configuration = TopicConfiguration(settings)
        for (name, value) in given { try configuration.set(name, to: value) }
        // Made beside its place and then moved there, so that a crash leaves all of it or nothing.
        let beside = folder(topic) + Self.unfinished
        do {
            disk.removeTree(beside)
            for partition in 0..<count { try disk.makeFolder("\(beside)/\(partition)") }
            if !given.isEmpty {
                try disk.replace("\(beside)/\(Self.configurationFile)", with: configuration.encoded)
            }
            try disk.syncFolder(beside)
            try disk.rename(beside, to: folder(topic))
        } catch {
            disk.removeTree(beside)
            throw .kafkaStorageError
        }
        do {
            try disk.syncFolder(settings.folder)
            topics[topic] = Topic(configuration: configuration, logs: try openLogs(topic, 0..<count, configuration))
        } catch {
            disk.removeTree(folder(topic))
            throw .kafkaStorageError
        }
    }

    func delete(_ topic: String) throws(KafkaError) {
        guard let logs = topics[topic]?.logs else { throw .unknownTopicOrPartition }
        do throws(SystemError) {
            // Under another name it is gone for good, however long the files take.
            try disk.rename(folder(topic), to: folder(topic) + Self.unfinished)
        } catch {
            throw .kafkaStorageError
        }
        do throws(SystemError) {
            try disk.syncFolder(settings.folder)
        } catch {
            try? disk.rename(folder(topic) + Self.unfinished, to: folder(topic))
            throw .kafkaStorageError
        }
        topics[topic] = nil
        disk.removeTree(folder(topic) + Self.unfinished)
        for partition in logs.indices { waiters.resume(TopicPartition(topic: topic, partition: Int32(partition))) }
    }

    /// Adds partitions until there are `count`.
    func grow(_ topic: String, to count: Int, validateOnly: Bool) throws(KafkaError) {
        guard let known = topics[topic] else { throw .unknownTopicOrPartition }
        guard count > known.logs.count, count <= Self.mostPartitions else { throw .invalidPartitions }
        try checkRoom(for: count - known.logs.count)
        if validateOnly { return }
        do {
            let added = try openLogs(topic, known.logs.count..<count, known.configuration)
            try disk.syncFolder(folder(topic))
            topics[topic]?.logs += added
        } catch {
            throw .kafkaStorageError
        }
    }

    /// Kafka's own rule; it also keeps names from leaving the folder.
    static func isLegal(_ topic: String) -> Bool {
        (1...249).contains(topic.utf8.count) && topic != "." && topic != ".."
            && topic.utf8.allSatisfy {
                $0.isAlphanumeric || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0)
            }
    }

    private func folder(_ topic: String) -> String { "\(settings.folder)/\(topic)" }
    private static let configurationFile = "configuration.json"

    private func openLogs(_ topic: String, _ partitions: Range<Int>, _ configuration: TopicConfiguration)
        throws(SystemError) -> [PartitionLog]
    {
        var logs: [PartitionLog] = []
        for partition in partitions {
            logs.append(try PartitionLog(disk, folder: "\(folder(topic))/\(partition)", configuration: configuration))
        }
        return logs
    }

    private func log(_ place: TopicPartition) throws(KafkaError) -> PartitionLog {
        guard let logs = topics[place.topic]?.logs, logs.indices.contains(Int(place.partition)) else {
            throw .unknownTopicOrPartition
        }
        return logs[Int(place.partition)]
    }

    // MARK: Records

    func append(_ records: ByteBuffer, to place: TopicPartition) throws(KafkaError) -> (base: Int64, start: Int64) {
        let log = try log(place)
        let base = try log.append(records, durably: settings.sync == .always)
        if log.needsSync { needsSync.send() }
        waiters.resume(place)
        return (base, log.startOffset)
    }

    /// Fills in the bounds and the records of each partition, all in one go.
    ///
    /// - Parameter mostBytes: what all of them may have together; each has its own limit too.
    func fetch(_ wanted: [FetchPartition], mostBytes: Int) -> [FetchPartition] {
        var left = mostBytes
        return wanted.map { partition in
            var filled = partition
            do throws(KafkaError) {
                let log = try log(partition.place)
                (filled.start, filled.end) = (log.startOffset, log.endOffset)
                guard left > 0 else { return filled }
                filled.records = try log.read(from: partition.offset, limit: min(partition.limit, left))
                left -= filled.records.readableBytes
            } catch {
                filled.error = error
            }
            return filled
        }
    }

    func read(_ place: TopicPartition, from offset: Int64, limit: Int) throws(KafkaError) -> ByteBuffer {
        try log(place).read(from: offset, limit: limit)
    }

    func bounds(_ place: TopicPartition) throws(KafkaError) -> (start: Int64, end: Int64) {
        let log = try log(place)
        return (log.startOffset, log.endOffset)
    }

    func firstOffset(_ place: TopicPartition, at timestamp: Int64) throws(KafkaError) -> (
        offset: Int64, timestamp: Int64
    )? {
        try log(place).firstOffset(at: timestamp)
    }

    func deleteRecords(_ place: TopicPartition, below offset: Int64) throws(KafkaError) -> Int64 {
        try log(place).deleteRecords(below: offset)
    }

    /// Returns once one of the partitions has grown beyond the offset named with it, or the task is cancelled.
    func waitForGrowth(beyond offsets: [TopicPartition: Int64]) async {
        let hasGrown = offsets.contains { place, offset in
            guard let end = try? log(place).endOffset else { return true }
            return end > offset
        }
        // No append can come between the question and the entry: both run on this actor without a pause.
        if !hasGrown { await waiters.wait(for: Set(offsets.keys)) }
    }

    // MARK: Producers

    private var producerIDFile: String { "\(settings.folder)/~producer-ids" }

    /// A number that no producer has had before, over restarts too: they are reserved in blocks on disk.
    func newProducerID() throws(KafkaError) -> Int64 {
        if nextProducerID >= producerIDsReserved {
            let reserved = nextProducerID + 1000
            do throws(SystemError) {
                try disk.replace(producerIDFile, with: Array("\(reserved)".utf8))
            } catch {
                throw .kafkaStorageError
            }
            producerIDsReserved = reserved
        }
        defer { nextProducerID += 1 }
        return nextProducerID
    }

    // MARK: Upkeep

    /// Syncs all logs, also behind one that fails.
    func sync() throws {
        var failure: SystemError?
        for topic in topics.values {
            for log in topic.logs {
                do throws(SystemError) { try log.sync() } catch { failure = failure ?? error }
            }
        }
        if let failure { throw failure }
    }

    func removeExpired() {
        for topic in topics.values { for log in topic.logs { log.removeExpired(now: .now()) } }
    }
}
