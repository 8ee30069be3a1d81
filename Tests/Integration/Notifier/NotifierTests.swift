import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// The action and notification manager with a real mail server and a real receiver of webhooks.
    @Suite(.serialized) struct Notifier {
        private static let programs =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs"

        /// A server that writes down what it takes, a line each.
        private struct Receiver {
            let pid: pid_t
            let port: Int
            let file: String

            var lines: [String] {
                ((try? Files.readText(file)) ?? "").split(separator: "\n").map(String.init)
            }

            /// Of mails.
            var subjects: [String] { lines.map { String($0.split(separator: "\t")[1]) } }
        }

        private static func start(
            _ program: String, _ agent: TestAgent, port: Int? = nil, _ further: [String] = []
        ) async throws -> Receiver {
            let port = try port ?? freePort()
            let file = "\(agent.folder)/\(program).taken"
            let log = "\(agent.folder)/\(program).out"
            let pid = try agent.start(
                ["python3", "\(programs)/\(program).py", String(port), file] + further, output: log)
            try await agent.eventually("\(program) takes messages") {
                (try? Files.readText(log))?.contains("ready") == true
            }
            return Receiver(pid: pid, port: port, file: file)
        }

        private static func freePort() throws -> Int {
            let port = (24_000..<32_000).shuffled().first { Sockets.isFree(port: $0) }
            return try #require(port)
        }

        private static func deploy(_ agent: TestAgent, _ yaml: String) async throws {
            let file = "\(agent.folder)/notifier.yaml"
            try Files.replace(file, with: yaml)
            let outcome = try await agent.orch("deploy", "action-notification", "-e", "NOTIFIER_CONFIG=\(file)")
            try #require(outcome.status == 0, "\(outcome)")
        }

        private static func mail(_ port: Int) -> String {
            "{name: mail, type: email, server: '127.0.0.1:\(port)', security: none, from: orch@example.com, to: [ops@example.com]}"
        }

        @Test(.timeLimit(.minutes(2)))
        func `a crash loop is mailed within five seconds, once, and so is its end`() async throws {
            try await TestAgent.withAgent { agent in
                let mailbox = try await Self.start("mailbox", agent)
                defer { agent.end(mailbox.pid) }
                try await Self.deploy(
                    agent,
                    """
                    channels: [\(Self.mail(mailbox.port))]
                    rules:
                      - name: crash-loop
                        match: {events: [instance.restarting]}
                        threshold: {count: 3, within: 2m}
                        severity: critical
                        resolve: {quiet: 3s}
                        title: "{{module}} ends again and again"
                        advice: "orch why {{module}}"
                    """)
                let module = try agent.module(
                    "moody",
                    "command: [sh, -c, 'sleep 0.3; echo ERROR: no such table; exit 7']\nupdate: {monitor: 10ms}")
                let begun = ContinuousClock.now
                #expect(try await agent.deploy(module, "--detach").status == 0)
                try await agent.eventually("it is mailed") { !mailbox.lines.isEmpty }
                #expect(ContinuousClock.now - begun < .seconds(5))
                let mail = try #require(mailbox.lines.first)
                #expect(mail.contains("[CRITICAL] moody ends again and again"), "\(mail)")
                #expect(mail.contains("ERROR: no such table"), "\(mail)")
                #expect(mail.contains("orch notify ack i-1"), "\(mail)")
                #expect(try await agent.orch("notify", "ls").output.contains("crash-loop"))
                #expect(try await agent.orch("notify", "ack", "i-1").status == 0)
                #expect(try await agent.orch("stop", "moody").status == 0)
                try await agent.eventually("its end is mailed") { mailbox.lines.contains { $0.contains("RESOLVED") } }
                #expect(mailbox.lines.count == 2, "\(mailbox.lines)")
                let history = try await agent.orch("notify", "history")
                for word in ["opened", "sent", "acknowledged", "resolved"] { #expect(history.output.contains(word)) }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `the rules that ship tell of what goes wrong, and of its end`() async throws {
            try await TestAgent.withAgent { agent in
                let mailbox = try await Self.start("mailbox", agent)
                defer { agent.end(mailbox.pid) }
                try await Self.deploy(agent, "channels: [\(Self.mail(mailbox.port))]")
                func module(_ name: String, _ script: String, _ more: String = "") throws -> String {
                    try agent.module(name, "command: [sh, -c, '\(script)']\nupdate: {monitor: 10ms}\n\(more)")
                }
                func told(_ words: String) async throws {
                    try await agent.eventually(words) { mailbox.subjects.contains { $0.hasPrefix(words) } }
                }
                let flag = "\(agent.folder)/well"
                try Files.replace(flag, with: "")
                let checked = try module(
                    "checked", "sleep 1000", "health: {type: exec, command: [test, -f, \(flag)], interval: 100ms}")
                #expect(try await agent.deploy(checked).status == 0)
                Files.remove(flag)
                _ = try await agent.deploy(module("moody", "sleep 0.1; exit 7"), "--detach")
                _ = try await agent.deploy(
                    module("doomed", "sleep 0.5; exit 1", "restart: {policy: never}"), "--detach")
                #expect(try await agent.deploy(module("shop", "sleep 1000", "version: v1")).status == 0)
                #expect(try await agent.deploy(module("shop", "exit 1", "version: v2")).status == 8)

                try await told("[CRITICAL] checked-")
                try await told("[CRITICAL] moody ends again and again")
                try await told("[CRITICAL] doomed is down or degraded")
                try await told("[WARNING] a deploy of shop was rolled back")
                try Files.replace(flag, with: "")
                #expect(try await agent.deploy(module("shop", "sleep 1000", "version: v3")).status == 0)
                #expect(try await agent.deploy(module("doomed", "sleep 1000")).status == 0)
                try await told("[RESOLVED] checked-")
                try await told("[RESOLVED] doomed is down or degraded")
                try await told("[RESOLVED] a deploy of shop was rolled back")
                #expect(Set(mailbox.subjects).count == mailbox.subjects.count, "\(mailbox.subjects)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `the rules that ship tell of lost lines, a lack of memory and an old certificate`() async throws {
            try await TestAgent.withAgent { agent in
                let mailbox = try await Self.start("mailbox", agent)
                defer { agent.end(mailbox.pid) }
                try await Self.deploy(agent, "channels: [\(Self.mail(mailbox.port))]")
                func told(_ words: String) async throws {
                    try await agent.eventually(words) { mailbox.subjects.contains(words) }
                }
                let (certificate, key) = try await agent.certificate("shop", days: 2)
                let endpoint = "tls: {certificate: \(certificate), key: \(key)}"
                #expect(try await agent.deploy(BackendService.module(agent, endpoint: endpoint)).status == 0)
                let loud =
                    "command: [sh, -c, 'seq 5000000; sleep 1000']\nlogs: {spool: 1M, when_full: drop-oldest}\nupdate: {monitor: 10ms}"
                #expect(try await agent.deploy(agent.module("loud", loud)).status == 0)
                let hungry =
                    "command: [python3, -c, 'x = bytearray(300 << 20); print(len(x))']\nlimits: {memory: 32M}\nrestart: {policy: never}"
                _ = try await agent.deploy(agent.module("hungry", hungry))
                try await told("[WARNING] the certificate of shop is near its end")
                try await told("[WARNING] lines of loud are lost")
                let notices = try await agent.orch("status", "-o", "json").json(AgentStatus.self).notices
                if !notices.contains(where: { $0.contains("memory limit") }) {
                    try await told("[CRITICAL] hungry was ended because it lacked memory")
                }
                _ = try await agent.certificate("shop")
                try await told("[RESOLVED] the certificate of shop is near its end")
            }
        }

        @Test(.timeLimit(.minutes(4)))
        func `each incident is told once and in order while the notifier is killed and the mail server is away`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let port = try Self.freePort()
                try await Self.deploy(
                    agent,
                    """
                    channels: [\(Self.mail(port))]
                    disable: [service-down, crash-loop]
                    rules:
                      - {name: ended, match: {events: [instance.exited, instance.failed], modules: ['job*']}, resolve: {quiet: 0s}}
                    """)
                let count = 12
                var jobs: Task<Void, any Error>?
                jobs = Task {
                    for number in 0..<count {
                        let job = try agent.module(
                            "job\(number)", "command: [sh, -c, 'exit 3']\nrestart: {policy: never}")
                        _ = try await agent.deploy(job, "--detach")
                    }
                }
                var generator = SystemRandomNumberGenerator()
                var mailbox: Receiver?
                for round in 0..<20 {
                    if round == 10 { mailbox = try await Self.start("mailbox", agent, port: port) }
                    // At any time of its work; nothing tells which are the bad ones.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 20...300, using: &generator)))
                    if let pid = try await agent.instance("action-notification").pid { kill(pid, SIGKILL) }
                    try await agent.eventually("it is back") {
                        try await agent.instance("action-notification").state == .healthy
                    }
                }
                try await jobs?.value
                let taken = try #require(mailbox)
                defer { agent.end(taken.pid) }
                func subjects() -> [String] {
                    taken.lines.map { String($0.split(separator: "\t")[0]) }
                }
                try await agent.eventually("all are told", within: .seconds(60)) { Set(subjects()).count >= count }
                let ids = subjects()
                var once: [String] = []
                for id in ids where once.last != id { once.append(id) }
                // A mail that was taken just before the end is sent once more, with the same name; it is the same one then.
                #expect(Set(once).count == once.count, "\(ids)")
                let numbers = once.compactMap { Int($0.split(separator: "-")[1].split(separator: ".")[0]) }
                #expect(numbers == Array(1...count), "\(ids)")
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func `a broker that is away is told of, and what happened meanwhile once when it is back`() async throws {
            let port = try Self.freePort()
            try await TestAgent.withAgent(options: ["--broker-port", "\(port)"]) { broker in
                try await TestAgent.withAgent(options: ["--kafka", "127.0.0.1:\(port)"]) { agent in
                    let mailbox = try await Self.start("mailbox", agent)
                    defer { agent.end(mailbox.pid) }
                    try await Self.deploy(
                        agent,
                        """
                        channels: [\(Self.mail(mailbox.port))]
                        disable: [service-down, crash-loop]
                        rules:
                          - {name: ended, match: {events: [instance.exited, instance.failed], modules: ['job*']}, resolve: {quiet: 0s}}
                        """)
                    func fail(_ number: Int) async throws {
                        let job = try agent.module(
                            "job\(number)", "command: [sh, -c, 'exit 3']\nrestart: {policy: never}")
                        _ = try await agent.deploy(job)
                    }
                    /// Of which modules and occasions mails have come.
                    func told(_ word: String) -> Int { mailbox.lines.count { $0.contains(word) } }
                    try await fail(0)
                    try await agent.eventually("the first is told") { told("job0") == 1 }
                    try await broker.killAgent()
                    try await fail(1)
                    try await agent.eventually("the absence is told", within: .seconds(60)) {
                        told("the Kafka broker cannot be reached") == 1
                    }
                    #expect(told("job1") == 0)
                    try await broker.bootstrap()
                    try await fail(2)
                    try await agent.eventually("all is told", within: .seconds(60)) {
                        told("job1") > 0 && told("job2") > 0 && told("RESOLVED") > 0
                    }
                    let subjects = mailbox.lines.map { String($0.split(separator: "\t")[1]) }
                    #expect(Set(subjects).count == subjects.count, "\(subjects)")
                    let order = subjects.compactMap { subject in (0..<3).first { subject.contains("job\($0)") } }
                    #expect(order == [0, 1, 2], "\(subjects)")
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a bad version is rolled back for what it logs, within bounds`() async throws {
            try await TestAgent.withAgent { agent in
                try await Self.deploy(
                    agent,
                    """
                    channels: [{name: file, type: command, command: [sh, -c, 'cat >> \(agent.folder)/told; echo >> \(agent.folder)/told']}]
                    rules:
                      - name: corrupt
                        match: {level: error, pattern: 'checksum of \\d+ differs'}
                        act: {action: rollback}
                    """)
                func shop(_ version: String, _ line: String) throws -> String {
                    try agent.module(
                        "shop",
                        "version: \(version)\ncommand: [sh, -c, 'echo \(line); sleep 1000']\nupdate: {monitor: 10ms}")
                }
                #expect(try await agent.deploy(shop("v1", "INFO ready")).status == 0)
                #expect(try await agent.deploy(shop("v2", "ERROR checksum of 17 differs")).status == 0)
                try await agent.eventually("the version before is back") {
                    try await agent.instance("shop").version == "v1"
                }
                try await agent.eventually("it was told") {
                    (try? Files.readText("\(agent.folder)/told"))?.contains("checksum of 17 differs") == true
                }
                let history = try await agent.orch("notify", "history")
                #expect(history.output.contains("rollback shop"), "\(history)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a job is run for each incident, also when it has run before`() async throws {
            try await TestAgent.withAgent { agent in
                let job = try agent.module(
                    "cleanup", "command: [echo, all is clean]\nrestart: {policy: never}\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(job).status == 0)
                try await Self.deploy(
                    agent,
                    """
                    channels: [{name: file, type: command, command: [sh, -c, 'cat >> \(agent.folder)/told']}]
                    rules:
                      - name: dirty
                        match: {level: error, pattern: 'dirty'}
                        act: {action: run, module: cleanup, cooldown: 0s}
                    """)
                for (count, name) in ["one", "two"].enumerated() {
                    try await agent.eventually("the job is over") {
                        try await agent.instance("cleanup").state == .completed
                    }
                    let module = try agent.module(
                        name, "command: [sh, -c, 'echo ERROR dirty; sleep 1000']\nupdate: {monitor: 10ms}")
                    #expect(try await agent.deploy(module).status == 0)
                    try await agent.eventually("the job has run again") {
                        try await agent.logLines("cleanup").count == count + 2
                    }
                }
                let history = try await agent.orch("notify", "history")
                #expect(history.output.contains("run cleanup: begun"), "\(history)")
                #expect(!history.output.contains("failed"), "\(history)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `channels are tried, signed, silenced, and rules changed without a restart`() async throws {
            try await TestAgent.withAgent { agent in
                let receiver = try await Self.start("receiver", agent)
                defer { agent.end(receiver.pid) }
                try Files.replace("\(agent.folder)/key", with: "sesame\n")
                try Files.replace("\(agent.folder)/url", with: "http://127.0.0.1:\(receiver.port)/chat?sesame\n")
                let channels = """
                    channels:
                      - {name: hook, type: webhook, url: 'http://127.0.0.1:\(receiver.port)/hook', secret_file: \(agent.folder)/key}
                      - {name: shaped, type: webhook, url: 'http://127.0.0.1:\(receiver.port)/shaped', template: '{"t": "{{title}}"}'}
                      - {name: chat, type: slack, url_file: \(agent.folder)/url}
                      - {name: push, type: ntfy, url: 'http://127.0.0.1:\(receiver.port)/push'}
                      - {name: team, type: mattermost, url: 'http://127.0.0.1:\(receiver.port)/team'}
                      - {name: bell, type: gotify, url: 'http://127.0.0.1:\(receiver.port)/bell', secret_file: \(agent.folder)/key}
                      - {name: log, type: kafka, topic: Notifications}

                    """
                try await Self.deploy(agent, channels)
                for name in ["hook", "shaped", "chat", "push", "team", "bell", "log"] {
                    #expect(try await agent.orch("notify", "test", name).status == 0)
                }
                #expect(try await agent.orch("notify", "test", "hok").status == 3)
                struct Taken: Decodable {
                    var path: String
                    var headers: [String: String]
                    var body: String
                }
                func taken() throws -> [Taken] {
                    try receiver.lines.map { try JSONDecoder().decode(Taken.self, from: Data($0.utf8)) }
                }
                try await agent.eventually("all have come") { Set(try taken().map(\.path)).count == 6 }
                let hook = try #require(try taken().first { $0.path == "/hook" })
                let check = try await agent.run([
                    "sh", "-c", "printf %s '\(hook.body)' | openssl dgst -sha256 -hmac sesame | sed 's/.* //'",
                ])
                #expect(hook.headers["x-orch-signature"] == "sha256=\(check.output.trimmed)")
                let shaped = try taken().first { $0.path == "/shaped" }?.body
                #expect(shaped == #"{"t": "a test of the channel shaped"}"#)
                #expect(try taken().contains { $0.path == "/push" && $0.headers["title"]?.contains("a test") == true })
                let team = try taken().first { $0.path == "/team" }?.body
                #expect(team?.contains(#""text":"#) == true && team?.contains("a test of the channel team") == true)
                let bell = try #require(try taken().first { $0.path.hasPrefix("/bell") })
                #expect(bell.headers["x-gotify-key"] == "sesame" && bell.body.contains("a test of the channel bell"))
                let status: AgentStatus = try await agent.orch("status", "-o", "json").json()
                let record = try await agent.run([
                    "kcat", "-b", status.broker, "-C", "-t", "Notifications", "-o", "beginning", "-c", "1", "-q",
                ])
                #expect(record.output.contains("a test of the channel log"))

                let misnamed = try await agent.orch("deploy", "action-notification", "-e", "NOTIFIER_CONFIG=/none.yaml")
                #expect(misnamed.status == 8, "the version before serves on")
                #expect(try await agent.orch("logs", "action-notification").output.contains("/none.yaml"))

                // Secrets are nowhere but in their files.
                let logs = try await agent.orch("logs", "action-notification")
                let inspect = try await agent.orch("inspect", "action-notification", "-o", "json")
                #expect(!(logs.output + inspect.output).contains("sesame"))

                let bad = "\(agent.folder)/bad.yaml"
                try Files.replace(bad, with: "rules:\n  - {name: a, match: {events: [x]}, notify: [nobody]}\n")
                let refused = try await agent.orch("notify", "rules", "check", bad)
                #expect(refused.status == 2)
                #expect(refused.errors.contains("bad.yaml:2:1: rule a names the channel 'nobody'"), "\(refused)")

                let rules = channels + "notify: [hook]\nrules: [{name: stopped, match: {events: [instance.stopped]}}]\n"
                try Files.replace("\(agent.folder)/notifier.yaml", with: rules)
                try await agent.eventually("the new rule holds") {
                    try await agent.orch("notify", "rules").output.contains("stopped")
                }
                let module = try agent.module("quiet", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(module).status == 0)
                #expect(try await agent.orch("notify", "silence", "--for", "1h", "--module", "quiet").status == 0)
                #expect(try await agent.orch("stop", "quiet").status == 0)
                let loud = try agent.module("loud", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(loud).status == 0)
                #expect(try await agent.orch("stop", "loud").status == 0)
                try await agent.eventually("the other is told") {
                    try taken().contains { $0.path == "/hook" && $0.body.contains("\"module\":\"loud\"") }
                }
                #expect(try !taken().contains { $0.body.contains("\"module\":\"quiet\"") })
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `what happens together is told together`() async throws {
            try await TestAgent.withAgent { agent in
                let receiver = try await Self.start("receiver", agent)
                defer { agent.end(receiver.pid) }
                func rule(_ name: String, _ match: String, _ severity: String = "warning") -> String {
                    "- {name: \(name), match: {\(match)}, title: '\(name)', severity: \(severity)}"
                }
                let rules = [
                    rule("a", "events: [deployment.started], modules: [shop]"),
                    rule("b", "events: [deployment.started], modules: [shop]", "critical"),
                    rule("c", "events: [deployment.started], modules: [shop]"),
                    rule("d", "events: [instance.stopped], modules: [shop]"),
                    rule("e", "events: [deployment.started], modules: [later]"),
                ]
                try await Self.deploy(
                    agent,
                    """
                    channels: [{name: hook, type: webhook, url: 'http://127.0.0.1:\(receiver.port)/', together: 10s}]
                    rules:
                    \(rules.joined(separator: "\n"))
                    """)
                struct Told: Decodable {
                    var title: String
                    var more: [Told]?
                    var titles: [String] { [title] + (more ?? []).map(\.title) }
                }
                struct Taken: Decodable { var body: String }
                func told() throws -> [[String]] {
                    try receiver.lines.map {
                        let body = try JSONDecoder().decode(Taken.self, from: Data($0.utf8)).body
                        return try JSONDecoder().decode(Told.self, from: Data(body.utf8)).titles
                    }
                }
                let command = "command: sleep 1000\nupdate: {monitor: 10ms}"
                #expect(try await agent.deploy(agent.module("shop", command)).status == 0)
                // What is there goes at once, led by the worst.
                try await agent.eventually("the first are told", within: .seconds(8)) {
                    try told() == [["b", "a", "c"]]
                }
                #expect(try await agent.orch("stop", "shop").status == 0)
                #expect(try await agent.deploy(agent.module("later", command)).status == 0)
                try await agent.eventually("what came meanwhile is told") {
                    try told() == [["b", "a", "c"], ["d", "e"]]
                }
                try await agent.eventually("all of it is written down") {
                    let history = try await agent.orch("notify", "history").output
                    return history.split(separator: "\n").count { $0.contains("opened by hook") } == 5
                }
            }
        }

        @Test(.timeLimit(.minutes(2)), arguments: ["starttls", "tls"])
        func `mail goes encrypted to whom the certificate proves, with a password that nobody else sees`(
            security: String
        ) async throws {
            try await TestAgent.withAgent { agent in
                let (certificate, key) = ("\(agent.folder)/mail.pem", "\(agent.folder)/mail.key")
                let made = try await agent.run([
                    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", certificate,
                ])
                try #require(made.status == 0, "\(made)")
                let mailbox = try await Self.start("mailbox", agent, [security, certificate, key, "orch", "p4ssw0rd"])
                defer { agent.end(mailbox.pid) }
                let secrets = ["right": "p4ssw0rd", "wrong": "guessed"]
                for (name, text) in secrets { try Files.replace("\(agent.folder)/\(name)", with: text + "\n") }
                func channel(_ name: String, secret: String?, trusts: Bool = true) -> String {
                    let trusted = trusts ? ", ca_file: '\(certificate)'" : ""
                    let user = secret.map { ", user: orch, secret_file: '\(agent.folder)/\($0)'" } ?? ""
                    return
                        "  - {name: \(name), type: email, server: 'localhost:\(mailbox.port)', security: \(security), from: orch@example.com, to: [ops@example.com, nobody@example.com]\(user)\(trusted)}\n"
                }
                let channels = [
                    channel("good", secret: "right"), channel("guesser", secret: "wrong"),
                    channel("unnamed", secret: nil), channel("stranger", secret: "right", trusts: false),
                ]
                try await Self.deploy(agent, "channels:\n\(channels.joined())")
                for name in ["guesser", "unnamed", "stranger", "good"] {
                    #expect(try await agent.orch("notify", "test", name).status == 0)
                }
                try await agent.eventually("the good one arrives") { mailbox.lines.count == 1 }
                func logged(_ words: String, _ channel: String) async throws -> Bool {
                    try await agent.logLines("--topic", "Action_Notification").contains {
                        $0.line.contains(words) && $0.line.contains(channel)
                    }
                }
                try await agent.eventually("whom it does not reach is said") {
                    try await logged("somebody gets no mail", "good")
                }
                for name in ["guesser", "unnamed", "stranger"] {
                    try await agent.eventually("\(name) is refused and waits") {
                        try await logged("a notification is tried again", name)
                    }
                }
                #expect(mailbox.lines.count == 1, "\(mailbox.lines)")
                let shown = [
                    try await agent.orch("inspect", "action-notification").output,
                    try await agent.orch("logs", "--topic", "Action_Notification").output,
                    try await agent.orch("notify", "history").output,
                ]
                for text in shown { #expect(!text.contains("p4ssw0rd") && !text.contains("guessed")) }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `the broker knows how far the notifier has read`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("deploy", "action-notification").status == 0)
                let broker = try await agent.orch("status", "-o", "json").json(AgentStatus.self).broker
                let script = """
                    import sys
                    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
                    admin = KafkaAdminClient(bootstrap_servers=sys.argv[1])
                    known = admin.list_consumer_group_offsets("action-notification")
                    events = TopicPartition("Events", 0)
                    end = KafkaConsumer(bootstrap_servers=sys.argv[1]).end_offsets([events])[events]
                    print(known[events].offset if events in known else -1, end)
                    """
                try await agent.eventually("all of it is read, and the broker told") {
                    let outcome = try await agent.run(["/usr/bin/python3", "-c", script, broker])
                    let numbers = outcome.output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
                    return numbers.count == 2 && numbers[0] > 0 && numbers[0] == numbers[1]
                }
                let port = try #require(try await agent.instance("action-notification").ports["http"])
                let metrics = try await agent.run(["curl", "-s", "http://127.0.0.1:\(port)/metrics"]).output
                #expect(metrics.contains("notifier_rules 11"), "\(metrics)")
            }
        }
    }
}
