import NIOCore
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import LogBroker

/// Writes to a broker's log while the disk fails or the power goes at any moment, and looks at what is there afterwards.
struct PowerLossTests {
    private static let topic = TopicPartition(topic: "t", partition: 0)
    private static let seeds: [UInt64] = Array(1...60)

    private func store(_ disk: SimulatedDisk, sync: BrokerSettings.Sync) async throws -> BrokerStore {
        var settings = BrokerSettings(folder: "/broker", port: 0)
        settings.sync = sync
        settings.segmentBytes = 700
        let store = BrokerStore(settings: settings, disk: disk)
        _ = try await store.open()
        return store
    }

    /// The sequence numbers of the batches that are there, whose offsets must be without a hole.
    private func contents(of store: BrokerStore) async throws -> [Int32] {
        guard await store.partitionCount("t") != nil, let bounds = try? await store.bounds(Self.topic) else {
            return []
        }
        var sequences: [Int32] = []
        var offset = bounds.start
        while offset < bounds.end {
            let bytes = try await store.read(Self.topic, from: offset, limit: 1 << 20)
            for (batch, _) in try RecordBatch.parse(bytes) {
                #expect(batch.baseOffset == offset)
                offset = batch.lastOffset + 1
                sequences.append(batch.baseSequence)
            }
        }
        return sequences
    }

    /// Of now: what is old would be removed.
    private func batch(_ sequence: Int) -> ByteBuffer {
        makeBatch(
            timestamp: Timestamp.now().milliseconds, producer: 7, sequence: Int32(sequence), payload: sequence % 90)
    }

    /// Appends until the disk is gone.
    ///
    /// - Returns: how many batches were acknowledged, and how many of them before the last sync that worked.
    private func write(_ store: BrokerStore, _ numbers: inout SeededNumbers) async -> (acknowledged: Int, synced: Int) {
        var (acknowledged, synced) = (0, 0)
        var failures = 0
        while acknowledged < 40, failures < 3 {
            do throws(KafkaError) {
                _ = try await store.append(batch(acknowledged), to: Self.topic)
                acknowledged += 1
            } catch {
                failures += 1
            }
            if Int.random(in: 0..<4, using: &numbers) == 0, (try? await store.sync()) != nil { synced = acknowledged }
        }
        return (acknowledged, synced)
    }

    /// How many operations a whole run takes, so that every one of them can be the one at which it happens.
    private func operations(_ sync: BrokerSettings.Sync) async throws -> Int {
        let disk = SimulatedDisk()
        let store = try await store(disk, sync: sync)
        try await store.create("t", partitions: 1)
        var numbers = SeededNumbers(seed: 1)
        _ = await write(store, &numbers)
        return disk.operations
    }

    @Test(.timeLimit(.minutes(2)), arguments: [BrokerSettings.Sync.always, .interval(.seconds(1))])
    func `after a loss of power what was promised is there, and nothing else`(sync: BrokerSettings.Sync) async throws {
        let total = try await operations(sync)
        try #require(total > 60)
        for at in 1...total {
            for seed in Self.seeds.prefix(at % 3 + 4) {
                let disk = SimulatedDisk(fault: .powerLoss(at: at))
                var acknowledged = 0
                var synced = 0
                var numbers = SeededNumbers(seed: seed)
                if let store = try? await store(disk, sync: sync), (try? await store.create("t", partitions: 1)) != nil
                {
                    (acknowledged, synced) = await write(store, &numbers)
                }
                disk.losePower(seed: seed &* 31 &+ UInt64(at))
                let again = try await store(disk, sync: sync)
                let found = try await contents(of: again)
                // A prefix of what was sent; the one that was being written may be there too.
                #expect(found == (0..<Int32(found.count)).map { $0 }, "power lost at \(at), seed \(seed)")
                #expect(found.count <= acknowledged + 1)
                let promised = sync == .always ? acknowledged : synced
                #expect(found.count >= promised, "power lost at \(at), seed \(seed): \(found.count) of \(promised)")
                // And it goes on from there, with a producer that sends the last one again.
                if await again.partitionCount("t") == nil { try await again.create("t", partitions: 1) }
                for sequence in max(0, found.count - 1)..<found.count + 3 {
                    _ = try await again.append(batch(sequence), to: Self.topic)
                }
                #expect(try await contents(of: again).count == max(found.count, 0) + 3)
            }
        }
    }

    @Test(.timeLimit(.minutes(2)), arguments: [BrokerSettings.Sync.always, .interval(.seconds(1))])
    func `a disk that fails once loses nothing that was acknowledged`(sync: BrokerSettings.Sync) async throws {
        let total = try await operations(sync)
        for at in 1...total {
            let disk = SimulatedDisk(fault: .failure(at: at))
            // What fails at the start is tried again, as a person would.
            var opened: BrokerStore?
            for _ in 0..<2 where opened == nil { opened = try? await store(disk, sync: sync) }
            let store = try #require(opened)
            do { try await store.create("t", partitions: 1) } catch { try await store.create("t", partitions: 1) }
            var numbers = SeededNumbers(seed: UInt64(at))
            let (acknowledged, _) = await write(store, &numbers)
            #expect(acknowledged == 40)
            #expect(try await contents(of: store) == (0..<40).map { Int32($0) }, "failed at \(at)")
            // The process ends without a word: what the system has is there.
            let again = try await self.store(disk, sync: sync)
            #expect(try await contents(of: again) == (0..<40).map { Int32($0) }, "failed at \(at), after a restart")
        }
    }

    /// A segment that could not be begun must not hide what is written instead into the one before.
    @Test(arguments: 1...40) func `a segment that cannot be begun leaves no hole`(at: Int) async throws {
        let disk = SimulatedDisk()
        let store = try await store(disk, sync: .always)
        try await store.create("t", partitions: 1)
        disk.fail(after: at)
        var sizes: [Int] = []
        for number in 0..<30 {
            // Where a large one does not fit and cannot roll, a small one still fits.
            let size = number % 2 == 0 ? 300 : 10
            if (try? await store.append(
                makeBatch(timestamp: Timestamp.now().milliseconds, payload: size), to: Self.topic)) != nil
            {
                sizes.append(size)
            }
        }
        #expect(sizes.count >= 29)
        let again = try await self.store(disk, sync: .always)
        #expect(try await again.bounds(Self.topic).end == Int64(sizes.count))
        #expect(try await contents(of: again).count == sizes.count)
    }

    @Test(arguments: seeds) func `offsets of deleted records are not given again`(seed: UInt64) async throws {
        let disk = SimulatedDisk()
        let store = try await store(disk, sync: .interval(.seconds(60)))
        try await store.create("t", partitions: 1)
        for _ in 0..<10 { _ = try await store.append(makeBatch(), to: Self.topic) }
        #expect(try await store.deleteRecords(Self.topic, below: -1) == 10)
        for _ in 0..<3 { _ = try await store.append(makeBatch(), to: Self.topic) }
        disk.losePower(seed: seed)
        let again = try await self.store(disk, sync: .always)
        let bounds = try await again.bounds(Self.topic)
        #expect(bounds.start == 10 && (10...13).contains(bounds.end))
        _ = try await again.append(makeBatch(), to: Self.topic)
        #expect(try await again.bounds(Self.topic).end == bounds.end + 1)
    }

    @Test func `what is left of a torn end is kept beside the log`() async throws {
        let disk = SimulatedDisk()
        let first = try await store(disk, sync: .always)
        try await first.create("t", partitions: 1)
        _ = try await first.append(makeBatch(), to: Self.topic)
        let path = "/broker/t/0/\(Segment.fileName(0))"
        let file = try disk.open(path)
        try file.write(ByteBuffer(repeating: 9, count: 30), at: file.size)
        let again = BrokerStore(settings: BrokerSettings(folder: "/broker", port: 0), disk: disk)
        #expect(try await again.open().map(\.bytes) == [30])
        #expect(try disk.list("/broker/t/0").contains { $0.contains(".torn-") })
        #expect(try await again.bounds(Self.topic).end == 1)
    }

    @Test(arguments: seeds) func `committed offsets are there after a loss of power`(seed: UInt64) async throws {
        let disk = SimulatedDisk(fault: .powerLoss(at: Int(seed)))
        var settings = BrokerSettings(folder: "/broker", port: 0)
        settings.sync = .always
        try? disk.makeFolder("/broker")
        try? disk.syncFolder("/")
        let groups = GroupCoordinator(settings: settings, disk: disk)
        var committed: Int64 = -1
        if (try? await groups.open()) != nil {
            for offset in 0..<50 as Range<Int64> {
                let results = await groups.commit(
                    "g", "", instanceID: nil, generation: -1,
                    [Self.topic: GroupOffsets.Committed(offset: offset, metadata: "")])
                guard results[Self.topic] == KafkaError.none else { break }
                committed = offset
            }
        }
        disk.losePower(seed: seed)
        try disk.makeFolder("/broker")
        var offsets = try GroupOffsets(disk, path: "/broker/~consumer-offsets", now: .now())
        let found = offsets.of("g")[Self.topic]?.offset ?? -1
        #expect(found == committed || found == committed + 1)
        try offsets.commit("g", [Self.topic: GroupOffsets.Committed(offset: 99, metadata: "m")], now: .now())
        #expect(offsets.of("g")[Self.topic]?.offset == 99)
    }
}
