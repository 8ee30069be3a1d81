import Logging
import OrchKafka
import OrchModel
import OrchSystem
import Synchronization
import Testing

@testable import LoggingModule

struct LogReaderTests {
    /// After the broker was away spools are shipped one after the other: what the second instance wrote first lies behind
    /// what the first one wrote last.
    @Test(.timeLimit(.minutes(5))) func `an end of time leaves out nothing that was written before it`() async throws {
        let cluster = try MockCluster()
        cluster.create("t")
        let reactor = try Reactor(name: "test")
        defer { reactor.stop() }
        let arrived = Signal()
        let producer = try KafkaProducer(settings: cluster.settings, batchSize: .single, reactor: reactor) { _ in
            arrived.send()
        } onNotice: { _ in
        }
        let topic = try producer.topic("t")
        for instance in ["a", "b"] {
            for second in 1...10 as ClosedRange<Int64> {
                let time = Timestamp(seconds: 1_700_000_000 + second)
                let refusal = Array("x".utf8).withUnsafeBytes { value in
                    var headers = RecordHeaders(count: 3)
                    headers.add("instance", instance)
                    headers.add("seq", second)
                    headers.add("at", time.nanoseconds)
                    return producer.produce(
                        KafkaProducer.Record(key: instance, value: value, timestamp: time, headers: headers, token: 1),
                        to: topic)
                }
                #expect(refusal == nil)
            }
        }
        await runBlocking(name: "flush") { producer.flush(waiting: .seconds(20)) }
        let admin = KafkaAdmin(settings: cluster.settings, reactor: reactor)
        let reader = LogReader(
            source: KafkaTopicSource(
                settings: cluster.settings, reactor: reactor, admin: admin,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        var query = LogQuery(topics: [TopicName(unchecked: "t")])
        query.until = Timestamp(seconds: 1_700_000_004)
        let found = Mutex<[String]>([])
        try await reader.read(query) { lines, _ in
            found.withLock { $0 += lines.map { "\($0.instance)\($0.seq)" } }
        }
        #expect(found.withLock(\.self) == ["a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"])
        await runBlocking(name: "close") { producer.close() }
    }
}
