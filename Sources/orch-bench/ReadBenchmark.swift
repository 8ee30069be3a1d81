import CRdkafka
import Glibc
import OrchModel
import OrchSystem

/// How soon lines are found in much log, and how soon they are seen by who follows.
enum ReadBenchmark {
    private static let big = 50_000_000
    private static let searched = 5_000_000
    private static let rounds = 5
    private static let followed = 5000

    static func run(_ lab: Lab) throws -> [BenchResult] {
        let broker = try lab.startBroker(options: ["--broker-retention-size", "20G"])
        defer { lab.stopBroker() }
        return try since(lab, broker) + search(lab, broker) + follow(lab)
    }

    /// The first line of the last minute of 10 GB.
    private static func since(_ lab: Lab, _ broker: String) throws -> [BenchResult] {
        let client = try KafkaBench(
            RD_KAFKA_PRODUCER, brokers: broker,
            ["acks": "all", "linger.ms": "5", "queue.buffering.max.messages": "1000000"])
        let now = Timestamp.now().milliseconds
        // A line every two milliseconds; the last is of now.
        _ = try client.produce(big, to: "big") { now - Int64(big - $0) * 2 }
        var times: [Double] = []
        for _ in 0..<rounds {
            times.append(
                try lab.timeToOutput([
                    Files.sibling("orch"), "--data-dir", lab.brokerData, "logs", "--topic", "big", "--since", "1m",
                ]))
        }
        return [
            BenchResult(
                name: "first line of the last minute of 10 GB", value: median(times), unit: "ms", bar: .atMost(50)),
            BenchResult(
                name: "memory of an agent with 10 GB of log, after reading",
                value: Benchmark.residentMB(lab.brokerPID), unit: "MB", bar: .atMost(64)),
        ]
    }

    /// A regular expression over 1 GB of lines as they are shipped, against grep on the same lines in a file.
    private static func search(_ lab: Lab, _ broker: String) throws -> [BenchResult] {
        let lines = try LogLines.file(lab, bytes: searched * LogLines.size)
        let module = try lab.write(
            "searched.yaml",
            "name: searched\ncommand: [sh, -c, 'cat \(lines); exec sleep 100000']\nlogs: {spool: 4G, when_full: block}\nupdate: {monitor: 0s}\n"
        )
        let orch = [Files.sibling("orch"), "--data-dir", lab.brokerData]
        try lab.run(orch + ["deploy", module, "-q"])
        let watcher = try KafkaBench(RD_KAFKA_CONSUMER, brokers: broker, ["allow.auto.create.topics": "true"])
        try watcher.make("searched")
        let start = ContinuousClock.now
        while watcher.end(of: "searched") < Int64(searched) {
            guard seconds(since: start) < 300 else { throw OrchError(.timedOut, "the lines to search did not arrive") }
            usleep(100_000)
        }
        let pattern = "request 49999[0-9]{2} .*ms=7[0-9]"
        var ours: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<rounds {
            ours.append(1000 / (try lab.run(orch + ["logs", "--topic", "searched", "--grep", pattern])))
            theirs.append(1000 / (try lab.run(["grep", "-cE", pattern, lines])))
        }
        try lab.run(orch + ["rm", "searched", "-q"])
        return [
            BenchResult(
                name: "regular expression over 1 GB of lines", value: median(ours), unit: "GB/s",
                peer: ("grep -E on a file", median(theirs)), bar: .atLeast(0.3))
        ]
    }

    /// From a program's write to the line's way out of `orch logs -f`, at a thousand lines a second.
    private static func follow(_ lab: Lab) throws -> [BenchResult] {
        let module = try lab.write(
            "ticker.yaml", "name: ticker\ncommand: \(Files.ownProgram) tick\nupdate: {monitor: 0s}\n")
        try lab.orch("deploy", module, "-q")
        defer { _ = try? lab.orch("rm", "ticker", "-q") }
        let delays = try lab.readLines(
            [Files.sibling("orch"), "logs", "ticker", "-f", "-n", "0"], count: followed
        ) { line in
            let sent = line.split(separator: " ").last.flatMap { Int64($0) } ?? 0
            return Double(Timestamp.now().nanoseconds - sent) / 1e6
        }.dropFirst(followed / 10).sorted()
        return [
            BenchResult(
                name: "a line followed, median", value: delays[delays.count / 2], unit: "ms", bar: .atMost(10)),
            BenchResult(
                name: "a line followed, 99th percentile", value: delays[delays.count * 99 / 100], unit: "ms",
                bar: .atMost(50)),
        ]
    }

    /// The program that is followed: prints the time, a thousand times a second.
    static func tick() -> Never {
        let start = Timestamp.now().nanoseconds
        var number: Int64 = 0
        while true {
            StandardStream.output.write("tick \(number) \(Timestamp.now().nanoseconds)\n")
            number += 1
            let left = start + number * 1_000_000 - Timestamp.now().nanoseconds
            if left > 0 { usleep(UInt32(left / 1000)) }
        }
    }
}
