import CRdkafka
import Glibc
import OrchModel
import OrchSystem

/// From what an instance prints to what a Kafka broker has acknowledged, against the log shippers of syslog-ng and rsyslog,
/// which read the same lines from a file. All send to one broker, in a process of its own.
enum ShipBenchmark {
    private static let count = 1_000_000
    private static let rounds = 3

    private struct Run {
        var linesPerSecond: Double
        /// Processor time for a million lines, in seconds.
        var cost: Double
    }

    static func run(_ lab: Lab) throws -> [BenchResult] {
        let lines = try LogLines.file(lab, bytes: count * LogLines.size)
        let broker = try lab.startBroker()
        defer { lab.stopBroker() }
        let watcher = try KafkaBench(RD_KAFKA_CONSUMER, brokers: broker, ["allow.auto.create.topics": "true"])
        try lab.restartAgent(options: ["--kafka", broker])
        defer { try? lab.restartAgent(options: []) }
        let rsyslog = try unpackRsyslog(lab)
        var ours: [Run] = []
        var syslogNG: [Run] = []
        var rsyslogs: [Run] = []
        for round in 0..<rounds {
            ours.append(try orch(lab, lines, "orch-\(round)", watcher))
            syslogNG.append(try self.syslogNG(lab, lines, "syslog-ng-\(round)", broker, watcher))
            rsyslogs.append(try self.rsyslog(lab, lines, "rsyslog-\(round)", broker, watcher, rsyslog))
        }
        let speed = median(ours.map(\.linesPerSecond))
        let cost = median(ours.map(\.cost))
        let costs = [("syslog-ng", median(syslogNG.map(\.cost))), ("rsyslog", median(rsyslogs.map(\.cost)))]
        let cheaper = costs[0].1 < costs[1].1 ? costs[0] : costs[1]
        return [
            BenchResult(
                name: "lines shipped", value: speed, unit: "/s",
                peer: ("syslog-ng", median(syslogNG.map(\.linesPerSecond))), bar: .atLeast(2)),
            BenchResult(
                name: "lines shipped", value: speed, unit: "/s",
                peer: ("rsyslog", median(rsyslogs.map(\.linesPerSecond))), bar: .atLeast(2)),
            BenchResult(
                name: "processor time for a million lines", value: cost, unit: "s", peer: cheaper, bar: .atMost(0.5)),
        ]
    }

    /// - Parameter cost: the processor time used so far by whoever ships, in seconds.
    private static func measure(
        _ topic: String, _ watcher: KafkaBench, cost: () -> Double, _ start: () throws -> Void
    ) throws -> Run {
        try watcher.make(topic)
        let before = cost()
        let begin = ContinuousClock.now
        try start()
        while watcher.end(of: topic) < Int64(count) {
            guard seconds(since: begin) < 300 else { throw OrchError(.timedOut, "not all of \(topic) arrived") }
            usleep(20_000)
        }
        let span = seconds(since: begin)
        return Run(linesPerSecond: Double(count) / span, cost: (cost() - before) * 1e6 / Double(count))
    }

    private static func orch(_ lab: Lab, _ lines: String, _ topic: String, _ watcher: KafkaBench) throws -> Run {
        let module = try lab.write(
            "\(topic).yaml",
            "name: \(topic)\ncommand: [sh, -c, 'cat \(lines); exec sleep 100000']\nlogs: {spool: 1G, when_full: block}\nupdate: {monitor: 0s}\n"
        )
        let run = try measure(topic, watcher) {
            ([lab.agentPID] + lab.shims()).map(Benchmark.cpuSeconds).reduce(0, +)
        } _: {
            try lab.orch("deploy", module, "-q")
        }
        try lab.orch("rm", topic, "-q")
        return run
    }

    private static func syslogNG(
        _ lab: Lab, _ lines: String, _ topic: String, _ broker: String, _ watcher: KafkaBench
    ) throws -> Run {
        let configuration = try lab.write(
            "\(topic).conf",
            """
            @version: 3.38
            source s { file("\(lines)" read-old-records(yes) flags(no-parse) follow-freq(0.05)); };
            destination d { kafka-c(bootstrap-servers("\(broker)") topic("\(topic)") message("$MSG")); };
            log { source(s); destination(d); flags(flow-control); };
            """)
        var pid: pid_t = 0
        let run = try measure(topic, watcher) {
            pid == 0 ? 0 : Benchmark.cpuSeconds(pid)
        } _: {
            pid = try lab.startPeer([
                "syslog-ng", "-F", "--no-caps", "-f", configuration, "-R", "\(lab.folder)/\(topic).persist", "-p",
                "\(lab.folder)/\(topic).pid", "-c", "\(lab.folder)/\(topic).ctl",
            ])
        }
        lab.endPeer(pid)
        return run
    }

    private static func rsyslog(
        _ lab: Lab, _ lines: String, _ topic: String, _ broker: String, _ watcher: KafkaBench, _ folder: String
    ) throws -> Run {
        // It remembers there what it has read of which file.
        let state = "\(lab.folder)/\(topic)"
        try Files.makeFolder(state)
        let configuration = try lab.write(
            "\(topic).conf",
            """
            global(workDirectory="\(state)")
            module(load="imfile")
            module(load="omkafka")
            template(name="raw" type="string" string="%msg%")
            input(type="imfile" File="\(lines)" Tag="\(topic)" ruleset="ship")
            ruleset(name="ship") { action(type="omkafka" topic="\(topic)" broker=["\(broker)"] template="raw") }
            """)
        var pid: pid_t = 0
        let libraries = "\(folder)/usr/lib/x86_64-linux-gnu"
        let run = try measure(topic, watcher) {
            pid == 0 ? 0 : Benchmark.cpuSeconds(pid)
        } _: {
            pid = try lab.startPeer([
                "env", "LD_LIBRARY_PATH=\(libraries)", "\(folder)/usr/sbin/rsyslogd", "-n", "-f", configuration, "-i",
                "\(lab.folder)/\(topic).pid", "-M", "\(libraries)/rsyslog",
            ])
        }
        lab.endPeer(pid)
        return run
    }

    /// Debian's rsyslog and syslog-ng exclude each other, so one is unpacked beside the system.
    private static func unpackRsyslog(_ lab: Lab) throws -> String {
        let folder = "\(lab.folder)/rsyslog"
        try Files.makeFolder(folder)
        let packages = "rsyslog rsyslog-kafka libestr0 libfastjson4 liblognorm5"
        try lab.run([
            "sh", "-c",
            "cd \(folder) && apt-get download -qq \(packages) && for package in *.deb; do dpkg -x $package .; done",
        ])
        return folder
    }
}
