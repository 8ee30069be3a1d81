import NIOCore
import OrchSystem
import TestSupport
import Testing

@testable import LogBroker

/// Requests of real clients, damaged at random: the broker answers or finds them malformed, and keeps what it has.
struct BrokerFuzzTests {
    private let folder = TemporaryFolder()

    @Test(.timeLimit(.minutes(3)), arguments: 1...4 as ClosedRange<UInt64>)
    func `damaged requests do no harm`(seed: UInt64) async throws {
        var settings = BrokerSettings(folder: folder.path, port: 0)
        settings.segmentBytes = 4096
        let store = BrokerStore(settings: settings)
        let groups = GroupCoordinator(settings: settings)
        _ = try await store.open()
        try await groups.open()
        let handler = RequestHandler(store: store, groups: groups, host: "127.0.0.1", port: 9092)
        try await store.create("kept", partitions: 1)
        let place = TopicPartition(topic: "kept", partition: 0)
        for sequence in 0..<10 {
            _ = try await store.append(makeBatch(producer: 1, sequence: Int32(sequence)), to: place)
        }

        var numbers = SeededNumbers(seed: seed)
        // A join waits for the others, a fetch for records: both would wait here for nobody.
        let waiting: Set<Int16> = [APIKey.joinGroup.rawValue, APIKey.fetch.rawValue, APIKey.deleteTopics.rawValue]
        let frames = RequestHandlerTests.frames.filter { !waiting.contains($0.api) }
        for round in 0..<4000 {
            var bytes = try #require(frames.randomElement(using: &numbers)).bytes
            mutate(&bytes, &numbers)
            // Whatever it has become, it must not be one of those that wait.
            guard bytes.count > 1, !waiting.contains(Int16(bytes[0]) << 8 | Int16(bytes[1])) else { continue }
            do {
                _ = try await handler.respond(to: ByteBuffer(bytes: bytes))
            } catch {
                #expect(error is MalformedRequest, "round \(round): \(error)")
            }
        }
        let found = try await store.read(place, from: 0, limit: 1 << 20)
        #expect(try RecordBatch.parse(found).count >= 10)
        let again = BrokerStore(settings: settings)
        #expect(try await again.open().isEmpty)
        #expect(try await again.bounds(place).end == store.bounds(place).end)
    }

    private func mutate(_ bytes: inout [UInt8], _ numbers: inout SeededNumbers) {
        for _ in 0...Int.random(in: 0..<6, using: &numbers) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &numbers)
            switch Int.random(in: 0..<6, using: &numbers) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &numbers)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
            case 2: bytes.removeLast(bytes.count - at)
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &numbers), at: at)
            case 4: bytes.replaceSubrange(at..<min(at + 4, bytes.count), with: [0x7f, 0xff, 0xff, 0xff])
            default: bytes += bytes[at...].prefix(64)
            }
        }
    }
}
