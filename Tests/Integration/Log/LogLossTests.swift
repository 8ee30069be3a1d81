import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// Numbered lines through everything that can go wrong: each is there, in order and once, or it is counted.
    @Suite(.serialized) struct LogLosses {
        /// What `check_lines.py` says.
        private struct Report: Decodable {
            var instances: Int
            var fewest: Int
            var last: Int
            var missing: Int
            var doubled: Int
            var disordered: Int
            var lost: Int
            var suppressed: Int
            var refused: Int

            /// Each line of each instance, once and in order.
            func isWhole(_ count: Int, instances: Int = 1) -> Bool {
                self.instances == instances && fewest == count && last == count && missing == 0 && doubled == 0
                    && disordered == 0 && lost == 0
            }
        }

        private static let programs =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs"

        private func counter(_ count: Int, rate: Int = 0, size: Int = 0, _ more: String = "") -> String {
            "command: python3 \(Self.programs)/counter.py \(count) \(rate) \(size)\nupdate: {monitor: 10ms}\n\(more)"
        }

        private func report(_ agent: TestAgent, _ module: String) async throws -> Report {
            let path = "\(agent.folder)/lines.jsonl.gz"
            let export = try await agent.orch(["logs", "export", "-m", module, "--file", path], timeout: .seconds(300))
            try #require(export.status == 0, "\(export)")
            return try await agent.run(["python3", "\(Self.programs)/check_lines.py", path], timeout: .seconds(300))
                .json()
        }

        /// Waits until the last line of each instance has arrived.
        private func settle(_ agent: TestAgent, _ module: String, _ count: Int, instances: Int = 1) async throws {
            try await agent.eventually("all is sent", within: .seconds(240)) {
                let status: AgentStatus? = try? await agent.orch("status", "-o", "json").json()
                return status?.spoolBytes == 0 && status?.brokerState == "connected"
            }
            try await agent.eventually("the last lines have arrived", within: .seconds(240)) {
                // The topic of a cluster is not there at once.
                try await agent.orch("logs", "-m", module, "--since", "10m", "--grep", "^number \(count) ").lines.count
                    == instances
            }
        }

        @Test(.timeLimit(.minutes(6)))
        func `20 noisy instances, 50 kills of the agent: every line is there, in order, once`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let lines = 15_000
                #expect(
                    try await agent.deploy(agent.module("noisy", counter(lines, rate: 500, "replicas: 20"))).status == 0
                )
                for _ in 0..<50 {
                    try await agent.killAgent()
                    try await agent.bootstrap()
                    // It gets to work, and then it is hit at some moment of it.
                    _ = try await agent.orch("instances")
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0..<300)))
                }
                try await settle(agent, "noisy", lines, instances: 20)
                let report = try await report(agent, "noisy")
                #expect(report.isWhole(lines, instances: 20), "\(report)")
                #expect(try await agent.instances("noisy").allSatisfy { $0.lost == 0 && $0.restarts == 0 })
                // The file has each line once too.
                try await agent.eventually("the file is written", within: .seconds(60)) {
                    let files = Files.list(AgentPaths.logs(in: agent.data)).filter { $0.hasPrefix("noisy.log") }
                    return try files.reduce(0) { sum, file in
                        sum + (try Files.read("\(AgentPaths.logs(in: agent.data))/\(file)")).count { $0 == 10 }
                    } == lines * 20
                }
            }
        }

        @Test(.timeLimit(.minutes(5))) func `an external broker that is killed again and again gets every line`()
            async throws
        {
            try await withBroker { broker, agent in
                let lines = 20_000
                #expect(
                    try await agent.deploy(agent.module("noisy", counter(lines, rate: 2000, "replicas: 2"))).status == 0
                )
                for _ in 0..<10 {
                    try await broker.killAgent()
                    try await broker.bootstrap()
                    try await Task.sleep(for: .milliseconds(Int.random(in: 100..<700)))
                }
                try await settle(agent, "noisy", lines, instances: 2)
                let report = try await report(agent, "noisy")
                #expect(report.isWhole(lines, instances: 2), "\(report)")
                let status: AgentStatus = try await agent.orch("status", "-o", "json").json()
                #expect(status.brokerState == "connected")
            }
        }

        @Test(.timeLimit(.minutes(5))) func `a backlog of 1 GB is sent once the broker is back`() async throws {
            try await withBroker { broker, agent in
                try await broker.killAgent()
                let (lines, size) = (100_000, 10_000)
                let module = counter(lines, size: size, "logs: {spool: 2G, when_full: block}")
                #expect(try await agent.deploy(agent.module("noisy", module)).status == 0)
                try await agent.eventually("all of it waits on disk", within: .seconds(120)) {
                    let status: AgentStatus = try await agent.orch("status", "-o", "json").json()
                    return status.spoolBytes > Int64(lines * size) && status.brokerState != "connected"
                }
                try await broker.bootstrap()
                try await settle(agent, "noisy", lines)
                let report = try await report(agent, "noisy")
                #expect(report.isWhole(lines), "\(report)")
            }
        }

        @Test(.timeLimit(.minutes(4)), arguments: ["block", "drop-oldest"])
        func `a full spool makes the instance wait, or its counter tells just what is missing`(policy: String)
            async throws
        {
            try await withBroker { broker, agent in
                try await broker.killAgent()
                let lines = 60_000
                let module = counter(lines, size: 100, "logs: {spool: 1M, when_full: \(policy)}")
                #expect(try await agent.deploy(agent.module("noisy", module)).status == 0)
                let instance = try await agent.instance("noisy").id.rawValue
                func spool() -> Int64 {
                    let folder = "\(AgentPaths.instances(in: agent.data))/\(instance)/spool"
                    return Files.list(folder).reduce(0) { $0 + (Files.size("\(folder)/\($1)") ?? 0) }
                }
                // One that drops its oldest segment, a quarter, is never fuller than that for long.
                try await agent.eventually("the spool is full") { spool() > 700_000 }
                #expect(spool() < 2 << 20)
                // The program that is made to wait hangs in its write; the other one comes to its end.
                if policy == "drop-oldest" {
                    try await agent.eventually("it has written all") {
                        let folder = "\(AgentPaths.instances(in: agent.data))/\(instance)/spool"
                        return try Files.list(folder).last.map { name in
                            try Files.readText("\(folder)/\(name)").contains("number \(lines) ")
                        } ?? false
                    }
                }
                try await broker.bootstrap()
                try await settle(agent, "noisy", lines)
                let report = try await report(agent, "noisy")
                let view = try await agent.instance("noisy")
                if policy == "block" {
                    #expect(report.isWhole(lines), "\(report)")
                    #expect(view.lost == 0)
                } else {
                    #expect(report.missing > 1000)
                    #expect(report.missing == report.lost, "\(report)")
                    #expect(report.doubled == 0 && report.disordered == 0)
                    try await agent.eventually("the counter is told") {
                        try await agent.instance("noisy").lost == Int64(report.missing)
                    }
                    let metrics = try await agent.run([
                        "curl", "-s", "--unix-socket", AgentPaths.socket(in: agent.data), "http://agent/metrics",
                    ])
                    #expect(
                        metrics.lines.contains {
                            $0.hasPrefix("orch_log_lines_lost_total") && $0.hasSuffix(" \(report.missing).0")
                        })
                }
            }
        }

        @Test(.timeLimit(.minutes(3))) func `a disk that was full loses nothing that is not counted`() async throws {
            try await TestAgent.withoutAgent { agent in
                try Files.makeFolder(agent.data)
                try #require(
                    try await agent.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", agent.data]).status == 0)
                let outcome: Result<Void, any Error>
                do {
                    try await agent.bootstrap()
                    let lines = 6000
                    #expect(try await agent.deploy(agent.module("noisy", counter(lines, rate: 1000))).status == 0)
                    _ = try await agent.run(["dd", "if=/dev/zero", "of=\(agent.data)/filler", "bs=64k"])
                    // For so long it prints into a full disk; nobody can write down that it does.
                    try await Task.sleep(for: .seconds(2))
                    Files.remove("\(agent.data)/filler")
                    try await settle(agent, "noisy", lines)
                    let report = try await report(agent, "noisy")
                    #expect(report.missing == report.lost, "\(report)")
                    #expect(report.doubled == 0 && report.disordered == 0, "\(report)")
                    try await agent.eventually("the counter is told") {
                        try await agent.instance("noisy").lost == Int64(report.missing)
                    }
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                _ = try await agent.orch("shutdown", "--stop-instances")
                #expect(try await agent.run(["umount", "-l", agent.data]).status == 0)
                try outcome.get()
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a rate leaves lines out and says how many`() async throws {
            try await TestAgent.withAgent { agent in
                let lines = 5000
                #expect(try await agent.deploy(agent.module("noisy", counter(lines, "logs: {rate: 100}"))).status == 0)
                try await agent.eventually("all is told") {
                    let report = try await report(agent, "noisy")
                    return report.fewest + report.suppressed == lines && report.suppressed > 4000
                }
                let remarks = try await agent.logLines("noisy", "--level", "warning")
                #expect(remarks.allSatisfy { $0.stream == "orch" && $0.line.hasPrefix("suppressed=") })
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func `a line that the broker never takes lets the others pass, and is in the file`()
            async throws
        {
            try await withBroker { broker, agent in
                let script = """
                    from kafka import KafkaAdminClient
                    from kafka.admin import NewTopic
                    KafkaAdminClient(bootstrap_servers="\(agent.options[1])").create_topics(
                        [NewTopic("noisy", 1, 1, topic_configs={"max.message.bytes": "12000"})])
                    """
                let made = try await agent.run(["/usr/bin/python3", "-c", script])
                #expect(made.status == 0, "\(made)")
                // 15,000 bytes that cannot be packed, among ordinary lines.
                let program =
                    "import os, sys, time\nfor i in range(1, 201):\n  print('number %d ' % i)\n  if i == 100: print('poison ' + os.urandom(7500).hex())\nsys.stdout.flush()\ntime.sleep(1000)"
                try Files.replace("\(agent.folder)/poison.py", with: program)
                #expect(
                    try await agent.deploy(
                        agent.module("noisy", "command: python3 poison.py\nupdate: {monitor: 10ms}")
                    ).status == 0)
                try await settle(agent, "noisy", 200)
                let report = try await report(agent, "noisy")
                #expect(report.missing == 0 && report.doubled == 0 && report.fewest == 200, "\(report)")
                let path = "\(AgentPaths.logs(in: agent.data))/noisy.log"
                try await agent.eventually("the file has it") {
                    let text = try Files.readText(path)
                    return text.contains("refused=1 line") && text.contains(" poison ") && text.contains("number 200 ")
                }
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: ["PLAIN", "SCRAM-SHA-256"])
        func `a cluster that asks for TLS and a password is signed in to from a file`(mechanism: String) async throws {
            try await TestAgent.withAgent { broker in
                let inner = try await broker.orch("status", "-o", "json").json(AgentStatus.self).broker.split(
                    separator: ":")[1]
                let port = try Listener().port
                let (certificate, key) = ("\(broker.folder)/cert.pem", "\(broker.folder)/key.pem")
                let made = try await broker.run([
                    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
                ])
                try #require(made.status == 0, "\(made)")
                let door = try broker.start(
                    [
                        "python3", "\(Self.programs)/kafka_door.py", "\(port)", String(inner), certificate, key,
                        mechanism,
                        "shipper", "s3cret",
                    ], output: "\(broker.folder)/door.log")
                defer { broker.end(door) }
                try await broker.eventually("the door is open") {
                    ((try? Files.readText("\(broker.folder)/door.log")) ?? "").contains("ready")
                }
                let config = "\(broker.folder)/kafka.conf"
                let settings =
                    "# how to get in\nsecurity.protocol=SASL_SSL\nsasl.mechanisms=\(mechanism)\nsasl.username=shipper\nssl.ca.location=\(certificate)\n"
                try Files.replace(config, with: settings + "sasl.password=s3cret\n")
                let options = ["--kafka", "127.0.0.1:\(port)", "--kafka-config", config]
                try await TestAgent.withAgent(options: options) { agent in
                    #expect(try await agent.deploy(agent.module("noisy", counter(1000))).status == 0)
                    try await settle(agent, "noisy", 1000)
                    let report = try await report(agent, "noisy")
                    #expect(report.isWhole(1000), "\(report)")
                }
                try Files.replace(config, with: settings + "sasl.password=wrong\n")
                try await TestAgent.withAgent(options: options) { agent in
                    try await agent.eventually("it is told", within: .seconds(40)) {
                        let status: AgentStatus = try await agent.orch("status", "-o", "json").json()
                        return status.brokerState.contains("uthentication")
                    }
                    let log = try Files.readText(AgentPaths.agentLog(in: agent.data))
                    #expect(!log.contains("s3cret") && !log.contains("wrong\n"))
                }
            }
        }

        @Test(.timeLimit(.minutes(1))) func `what is wrong with the settings for a cluster is told with its line`()
            async throws
        {
            try await TestAgent.withoutAgent { base in
                let config = "\(base.folder)/kafka.conf"
                for (text, part) in [
                    ("nonsense\n", "kafka.conf:1: write name=value"),
                    ("\nacks=1\n", "kafka.conf:2: 'acks' is set by orch"),
                    ("no.such.thing=1\n", "no.such.thing"),
                ] {
                    try Files.replace(config, with: text)
                    let outcome = try await base.orch("bootstrap", "--kafka", "127.0.0.1:1", "--kafka-config", config)
                    #expect(outcome.status != 0)
                    #expect(outcome.errors.contains(part), "\(outcome)")
                }
                let missing = try await base.orch("bootstrap", "--kafka", "127.0.0.1:1", "--kafka-config", "/nowhere")
                #expect(missing.errors.contains("/nowhere cannot be read"), "\(missing)")
                #expect(
                    try await base.orch("bootstrap", "--kafka-config", config).errors.contains("name it with --kafka"))
            }
        }

        /// An agent that logs to the broker of another one, which stays where it is over restarts.
        private func withBroker(_ body: (_ broker: TestAgent, _ agent: TestAgent) async throws -> Void) async throws {
            let port = try Listener().port
            let options = ["--broker-port", "\(port)", "--broker-retention-size", "4G"]
            try await TestAgent.withAgent(options: options) { broker in
                try await TestAgent.withAgent(options: ["--kafka", "127.0.0.1:\(port)"]) { agent in
                    try await body(broker, agent)
                }
            }
        }
    }
}
