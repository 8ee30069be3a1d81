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
    private let executor = ThreadExecutor(name: "broker-disk")
    private let settings: BrokerSettings
    private var topics: [String: [PartitionLog]] = [:]
    private let waiters = GrowthWaiters()
    private var nextProducerID: Int64 = 0
    private var producerIDsReserved: Int64 = 0
    private let syncRequests: AsyncStream<Void>.Continuation
    /// Yields after something was appended that has to be synced.
    nonisolated let needsSync: AsyncStream<Void>

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(settings: BrokerSettings) {
        self.settings = settings
        (needsSync, syncRequests) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Topics

    /// Reads what is on disk. Torn ends are cut off.
    ///
    /// - Returns: where that was, with the number of bytes.
    func open() throws -> [(place: TopicPartition, bytes: Int)] {
        try Files.makeFolder(settings.folder)
        for topic in Files.list(settings.folder) where Files.isFolder("\(settings.folder)/\(topic)") {
            let count = Files.list("\(settings.folder)/\(topic)").compactMap(Int.init).count
            topics[topic] = try (0..<count).map { try openLog(topic, Int32($0)) }
        }
        nextProducerID = Int64((try? Files.readText(producerIDFile)) ?? "0") ?? 0
        producerIDsReserved = nextProducerID
        return topics.flatMap { topic, logs in
            logs.enumerated().filter { $0.element.tornBytes > 0 }.map {
                (TopicPartition(topic: topic, partition: Int32($0.offset)), $0.element.tornBytes)
            }
        }
    }

    var topicNames: [String] { topics.keys.sorted() }

    func partitionCount(_ topic: String) -> Int? { topics[topic]?.count }

    /// - Parameter partitions: -1 for the default count.
    func create(_ topic: String, partitions: Int) throws(KafkaError) {
        guard Self.isLegal(topic) else { throw .invalidTopic }
        guard topics[topic] == nil else { throw .topicAlreadyExists }
        let count = partitions == -1 ? settings.defaultPartitions : partitions
        guard (1...1000).contains(count) else { throw .invalidPartitions }
        do {
            topics[topic] = try (0..<count).map { try openLog(topic, Int32($0)) }
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

    private func openLog(_ topic: String, _ partition: Int32) throws(SystemError) -> PartitionLog {
        try PartitionLog(folder: "\(settings.folder)/\(topic)/\(partition)", settings: settings)
    }

    private func log(_ place: TopicPartition) throws(KafkaError) -> PartitionLog {
        guard let logs = topics[place.topic], logs.indices.contains(Int(place.partition)) else {
            throw .unknownTopicOrPartition
        }
        return logs[Int(place.partition)]
    }

    // MARK: Records

    func append(_ records: ByteBuffer, to place: TopicPartition) throws(KafkaError) -> (base: Int64, start: Int64) {
        let log = try log(place)
        let base = try log.append(records)
        switch settings.sync {
        case .always:
            do throws(SystemError) { try log.sync() } catch { throw .kafkaStorageError }
        case .interval: syncRequests.yield()
        }
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

    func bounds(_ place: TopicPartition) throws(KafkaError) -> (start: Int64, end: Int64) {
        let log = try log(place)
        return (log.startOffset, log.endOffset)
    }

    func firstOffset(_ place: TopicPartition, at timestamp: Int64) throws(KafkaError) -> (
        offset: Int64, timestamp: Int64
    )? {
        try log(place).firstOffset(at: timestamp)
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

    private var producerIDFile: String { "\(settings.folder)/producer-ids" }

    /// A number that no producer has had before, over restarts too: they are reserved in blocks on disk.
    func newProducerID() throws(KafkaError) -> Int64 {
        if nextProducerID >= producerIDsReserved {
            let reserved = nextProducerID + 1000
            do throws(SystemError) {
                try Files.replace(producerIDFile, with: "\(reserved)", durable: true)
            } catch {
                throw .kafkaStorageError
            }
            producerIDsReserved = reserved
        }
        defer { nextProducerID += 1 }
        return nextProducerID
    }

    // MARK: Upkeep

    func sync() throws {
        for logs in topics.values { for log in logs { try log.sync() } }
    }

    func removeExpired() {
        for logs in topics.values { for log in logs { log.removeExpired(now: .now()) } }
    }
}
