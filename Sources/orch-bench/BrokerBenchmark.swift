import CRdkafka
import OrchModel
import OrchSystem

/// What the embedded broker takes and gives, against librdkafka's own one in memory and a plain file.
enum BrokerBenchmark {
    private static let count = 1_000_000
    private static let rounds = 3
    private static let producer = [
        "acks": "all", "linger.ms": "5", "queue.buffering.max.messages": "1000000",
        "queue.buffering.max.kbytes": "1000000",
    ]

    static func run(_ lab: Lab) throws -> [BenchResult] {
        let address = try lab.brokerAddress()
        var ours: [Double] = []
        var mock: [Double] = []
        var consumed: [Double] = []
        var read: [Double] = []
        for round in 0..<rounds {
            let client = try KafkaBench(RD_KAFKA_PRODUCER, brokers: address, producer)
            ours.append(Double(count) / (try client.produce(count, to: "produce-\(round)")))
            let host = try KafkaBench(RD_KAFKA_PRODUCER, brokers: nil)
            let other = try KafkaBench(RD_KAFKA_PRODUCER, brokers: try host.startMock(), producer)
            mock.append(Double(count) / (try other.produce(count, to: "produce")))
            let consumer = try KafkaBench(
                RD_KAFKA_CONSUMER, brokers: address, ["fetch.wait.max.ms": "10", "queued.min.messages": "1000000"])
            consumed.append(Double(count) / (try consumer.consume(count, of: "produce-\(round)")))
            let lines = try LogLines.file(lab, bytes: count * LogLines.size)
            let start = ContinuousClock.now
            let file = try Descriptor(opening: lines, .read)
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while try file.read(into: &buffer) > 0 {}
            read.append(Double(count) / seconds(since: start))
        }
        return [
            BenchResult(
                name: "broker: lines produced, acks=all", value: median(ours), unit: "/s",
                peer: ("librdkafka's mock", median(mock)), bar: .atLeast(0.8)),
            BenchResult(
                name: "broker: lines consumed", value: median(consumed), unit: "/s", bar: .atLeast(1_000_000)),
            BenchResult(
                name: "broker: lines consumed", value: median(consumed), unit: "/s",
                peer: ("a plain file read", median(read))),
        ]
    }
}
