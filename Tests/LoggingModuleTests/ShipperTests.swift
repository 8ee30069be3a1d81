import CRdkafka
import Glibc
import Logging
import OrchKafka
import OrchModel
import OrchSystem
import Synchronization
import TestSupport
import Testing

@testable import LoggingModule

/// The way from a spool to a cluster that misbehaves.
@Suite(.serialized) struct ShipperTests {
    /// A shipper with one spool, which is gone when the test ends.
    private final class Bench: Sendable {
        private let temporary = TemporaryFolder()
        var folder: String { temporary.path }
        let cluster: MockCluster
        let reactor: Reactor
        let shipper: Shipper
        private let refusedLines = Mutex<[RefusedLine]>([])
        /// What no broker took.
        var refused: [RefusedLine] { refusedLines.withLock { $0 } }
        private let written = Mutex<Int64>(0)

        init() throws {
            cluster = try MockCluster()
            cluster.create("t")
            reactor = try Reactor(name: "test")
            let relay = Relay()
            shipper = try Shipper(
                settings: cluster.settings, reactor: reactor, acknowledgements: Signal(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { line in relay.send(line) }
            relay.target.withLock { $0 = { [weak self] line in self?.refusedLines.withLock { $0.append(line) } } }
        }

        deinit { reactor.stop() }

        func write(_ lines: [String]) throws {
            try Files.makeFolder("\(folder)/spool")
            let text = lines.map { "2026-01-01T00:00:0\($0.utf8.count % 10).000000000Z stdout F \($0)\n" }.joined()
            try Descriptor(opening: "\(folder)/spool/\(SpoolFormat.fileName(1))", .append).write(Array(text.utf8))
            written.withLock { $0 += Int64(lines.count) }
        }

        /// Ships what was written while `body` runs, and then waits until all of it is there.
        ///
        /// - Returns: the values that are in the topic, in order, each number once.
        func ship(linesPerSecond: Int = 0, _ body: () async throws -> Void = {}) async throws -> [String] {
            let shipper = shipper
            let running = Task { try await shipper.run() }
            defer { running.cancel() }
            try await shipper.add("i", topic: TopicName(unchecked: "t"), folder: folder, linesPerSecond: linesPerSecond)
            try await body()
            while await !isDrained() { try await Task.sleep(for: .milliseconds(20)) }
            shipper.finish()
            _ = try await running.value
            return try await contents()
        }

        private func isDrained() async -> Bool {
            let status = await shipper.status
            return status.isConnected && status.backlog == 0
        }

        private func contents() async throws -> [String] {
            let consumer = try KafkaConsumer(
                settings: cluster.settings, reactor: reactor, longestWait: .milliseconds(20)
            ) { _ in }
            try consumer.start("t", partition: 0, at: 0)
            var lines: [String] = []
            var seen: Set<Int64> = []
            var atEnd = false
            while !atEnd {
                let batch = try await consumer.next()
                batch.visit { record in
                    guard seen.insert(RecordHead(record).seq).inserted else { return }
                    lines.append(String(decoding: record.value, as: UTF8.self))
                }
                atEnd = !batch.ends.isEmpty
            }
            await runBlocking(name: "close") { consumer.close() }
            return lines
        }
    }

    private final class Relay: Sendable {
        let target = Mutex<(@Sendable (RefusedLine) -> Void)?>(nil)
        func send(_ line: RefusedLine) { target.withLock { $0 }?(line) }
    }

    private func numbered(_ range: ClosedRange<Int>) -> [String] { range.map { "line \($0)" } }

    @Test(.timeLimit(.minutes(5))) func `all lines arrive in order`() async throws {
        let bench = try Bench()
        try bench.write(numbered(1...5000))
        #expect(try await bench.ship { try bench.write(numbered(5001...6000)) } == numbered(1...6000))
    }

    @Test(.timeLimit(.minutes(5))) func `a topic that may not be written is told, and goes on by itself`() async throws
    {
        let bench = try Bench()
        bench.cluster.answer(with: Array(repeating: RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, count: 3))
        try bench.write(numbered(1...300))
        let found = try await bench.ship {
            while await bench.shipper.status.isConnected { try await Task.sleep(for: .milliseconds(5)) }
            #expect(await bench.shipper.status.trouble.contains("topic t"))
        }
        #expect(found == numbered(1...300))
    }

    @Test(.timeLimit(.minutes(5))) func `a batch that is too large is sent in parts`() async throws {
        let bench = try Bench()
        bench.cluster.answer(with: [RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE])
        try bench.write(numbered(1...3000))
        let found = try await bench.ship()
        // What was on its way when the first batch came back may be there before it.
        #expect(found.count == 3000)
        #expect(Set(found) == Set(numbered(1...3000)))
        #expect(bench.refused.isEmpty)
    }

    @Test(.timeLimit(.minutes(5))) func `a line that is too large by itself lets the others pass, and is kept`()
        async throws
    {
        let bench = try Bench()
        // As often as batches get smaller, and once more for the line by itself.
        bench.cluster.answer(with: Array(repeating: RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, count: 5))
        try bench.write(numbered(1...20))
        let found = try await bench.ship()
        let refused = bench.refused
        #expect(refused.map { String(decoding: $0.text, as: UTF8.self) } == ["line 1"])
        #expect(refused.first?.reason.isEmpty == false)
        #expect(found == numbered(2...20))
    }

    @Test(.timeLimit(.minutes(5))) func `a line beyond what the client takes is kept, and told in its place`()
        async throws
    {
        let bench = try Bench()
        let long = String(repeating: "x", count: 1_200_000)
        try bench.write(numbered(1...3) + [long] + numbered(5...8))
        let found = try await bench.ship()
        #expect(found.count == 8)
        #expect(found[3].hasPrefix("refused=1 line of 1200000 bytes stands in t.log only"))
        #expect(bench.refused.map(\.text.count) == [1_200_000])
    }

    @Test(.timeLimit(.minutes(5))) func `a cluster that is away only delays`() async throws {
        let bench = try Bench()
        try bench.write(numbered(1...100))
        let found = try await bench.ship {
            bench.cluster.setAway(true)
            try bench.write(numbered(101...2000))
            while await bench.shipper.status.isConnected { try await Task.sleep(for: .milliseconds(5)) }
            try bench.write(numbered(2001...2500))
            bench.cluster.setAway(false)
        }
        #expect(found == numbered(1...2500))
    }

    /// What is written while nothing more may be on its way is told once only.
    @Test(.timeLimit(.minutes(5))) func `lines that come while the window is full are sent when it opens`() async throws
    {
        let bench = try Bench()
        bench.cluster.setAway(true)
        // Into the last chunk that there is.
        try bench.write(numbered(1...ShippingSource.window + 400))
        let found = try await bench.ship {
            while await bench.shipper.status.isConnected { try await Task.sleep(for: .milliseconds(5)) }
            try bench.write(numbered(ShippingSource.window + 401...ShippingSource.window + 500))
            // Until the folder's watch has told of it.
            try await Task.sleep(for: .milliseconds(100))
            bench.cluster.setAway(false)
        }
        #expect(found == numbered(1...ShippingSource.window + 500))
    }

    @Test(.timeLimit(.minutes(5))) func `a record that the cluster finds bad takes none of the others along`()
        async throws
    {
        let bench = try Bench()
        bench.cluster.answer(with: Array(repeating: RD_KAFKA_RESP_ERR_INVALID_RECORD, count: 5))
        try bench.write(numbered(1...200))
        let found = try await bench.ship()
        #expect(bench.refused.map { String(decoding: $0.text, as: UTF8.self) } == ["line 1"])
        #expect(found == numbered(2...200))
    }

    @Test(.timeLimit(.minutes(5))) func `a cluster that answers slowly loses and doubles nothing`() async throws {
        let bench = try Bench()
        bench.cluster.setDelay(milliseconds: 700)
        try bench.write(numbered(1...500))
        #expect(try await bench.ship { bench.cluster.setDelay(milliseconds: 5) } == numbered(1...500))
    }

    @Test(.timeLimit(.minutes(5))) func `a producer that the cluster has forgotten is replaced`() async throws {
        let bench = try Bench()
        try bench.write(numbered(1...100))
        let found = try await bench.ship {
            bench.cluster.answer(with: Array(repeating: RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, count: 2))
            try bench.write(numbered(101...400))
        }
        #expect(found == numbered(1...400))
    }

    @Test(.timeLimit(.minutes(5))) func `what is beyond the rate is left out and told`() async throws {
        let bench = try Bench()
        // All of one second: the tenth character of the time is the same for lines of one length.
        try bench.write((1000...1999).map { "line \($0)" })
        let found = try await bench.ship(linesPerSecond: 100)
        #expect(found.count == 101)
        #expect(found.dropLast() == (1000...1099).map { "line \($0)" }[...])
        #expect(found.last?.hasPrefix("suppressed=900 lines were left out") == true)
    }

    @Test(.timeLimit(.minutes(5))) func `lines that were dropped on disk are told in their place`() async throws {
        let bench = try Bench()
        try bench.write(numbered(1...10))
        try Files.makeFolder("\(bench.folder)/spool")
        let later = numbered(51...60).map { "2026-01-01T00:00:01.000000000Z stdout F \($0)\n" }.joined()
        try Files.replace("\(bench.folder)/spool/\(SpoolFormat.fileName(51))", with: later)
        let found = try await bench.ship()
        #expect(
            found == numbered(1...10) + ["lost=40 lines were dropped on disk before they could be sent"]
                + numbered(51...60))
        #expect(await bench.shipper.lost("i") == 40)
    }

    @Test(.timeLimit(.minutes(5))) func `a flood by one leaves the others their share`() async throws {
        let bench = try Bench()
        let quiet = bench.folder + "/quiet"
        try bench.write((1...60_000).map { "flood \($0) \(String(repeating: "x", count: 200))" })
        bench.cluster.setDelay(milliseconds: 20)
        let shipper = bench.shipper
        let running = Task { try await shipper.run() }
        defer { running.cancel() }
        try await shipper.add("flood", topic: TopicName(unchecked: "t"), folder: bench.folder)
        try Files.makeFolder("\(quiet)/spool")
        try Files.replace(
            "\(quiet)/spool/\(SpoolFormat.fileName(1))", with: "2026-01-01T00:00:00.000000000Z stdout F hello\n")
        try await shipper.add("quiet", topic: TopicName(unchecked: "t"), folder: quiet)
        await shipper.settle([TopicName(unchecked: "t")], patience: .milliseconds(1))
        while !Files.exists("\(quiet)/shipped") { try await Task.sleep(for: .milliseconds(1)) }
        #expect(await shipper.status.backlog > 1 << 20)
        shipper.finish()
        _ = try await running.value
    }
}
