import FoundationEssentials
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// Strategies, ways back, and what a person is told.
    @Suite(.serialized) struct Rollouts {
        @Test(.timeLimit(.minutes(2))) func `a plan tells what and how, and only what was planned is done`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent), "--check-index", "0").status == 0)
                let next = try BackendService.module(agent, version: "2", replicas: 4, env: "SECRET: hunter2")
                let plan = try await agent.orch("plan", next)
                #expect(plan.status == 1, "\(plan)")
                for words in [
                    "~ version: 1 -> 2", "~ replicas: 1 -> 4", "env.SECRET: (hidden)", "4 to start, 1 to stop",
                    "rolling: 1 new at a time", "--check-index 1",
                ] { #expect(plan.output.contains(words), "\(words) is missing in \(plan)") }
                #expect(!plan.output.contains("hunter2"))
                #expect(try await agent.orch("restart", "shop").status == 0)
                let late = try await agent.deploy(next, "--check-index", "1")
                #expect(late.status == 6, "\(late)")
                #expect(late.errors.contains("is at revision 2, not 1"))
                #expect(try await agent.deploy(next, "--check-index", "2").status == 0)
                #expect(try await agent.orch("plan", next).status == 0)
                let fixed = try await agent.orch(
                    "plan", agent.module("shop", "command: sleep 1\nports: [{port: \(agent.freePort())}]"))
                #expect(fixed.output.contains("stops 1 old at a time before new ones start, because port"), "\(fixed)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a rollback brings back a version with its configuration, and the history tells of it`() async throws {
            try await TestAgent.withAgent { agent in
                let source = "\(agent.folder)/app.conf"
                let files = "files: [{path: app.conf, source: app.conf}]"
                for version in 1...3 {
                    try Files.replace(source, with: "setting \(version)\n")
                    #expect(
                        try await agent.deploy(
                            BackendService.module(agent, version: "1.\(version)", more: files)
                        ).status == 0)
                }
                func configuration() async throws -> String {
                    try await Files.readText("\(agent.data)/instances/\(agent.instance("shop").id)/config/app.conf")
                }
                #expect(try await configuration() == "setting 3\n")
                #expect(try await agent.orch("rollback", "shop").status == 0)
                #expect(try await configuration() == "setting 2\n")
                #expect(try await agent.orch("rollback", "shop", "1.1").status == 0)
                #expect(try await configuration() == "setting 1\n")
                #expect(try await agent.orch("rollback", "shop", "3").status == 0)
                #expect(try await agent.instance("shop").version == "1.3")
                let none = try await agent.orch("rollback", "shop", "9.9")
                #expect(none.status == 3 && none.errors.contains("1 (version 1.1)"), "\(none)")
                let history: HistoryView = try await agent.orch("history", "shop", "-o", "json").json()
                #expect(history.revisions.map(\.version) == ["1.3", "1.1", "1.2", "1.3", "1.2", "1.1"])
                #expect(
                    history.deployments.map(\.kind.rawValue) == [
                        "rollback", "rollback", "rollback", "deploy", "deploy", "deploy",
                    ])
                let difference = try await agent.orch("diff", "shop", "1", "2")
                #expect(difference.status == 1 && difference.output.contains("~ version: 1.1 -> 1.2"), "\(difference)")
                #expect(try await agent.orch("diff", "shop", "3", "6").status == 0)
                #expect(try await agent.orch("diff", "shop", "3", "99").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a canary gets its part of the requests until somebody decides`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                func canary(_ version: String) throws -> String {
                    try BackendService.module(
                        agent, version: version, replicas: 2, update: "strategy: canary, canary: 20, monitor: 200ms")
                }
                #expect(try await agent.deploy(canary("1")).status == 0)
                let waiting = try await agent.deploy(canary("2"))
                #expect(waiting.status == 0 && waiting.errors.contains("orch promote shop"), "\(waiting)")
                #expect(try await agent.instances("shop").map(\.version).sorted() == ["1", "1", "2"])
                let shop = try await agent.address("shop")
                let answers = try await agent.run([
                    "sh", "-c", "for i in $(seq 300); do curl -s -m 5 \(shop)/; done",
                ]).lines
                let new = answers.count { $0.hasPrefix("2 ") }
                #expect(answers.count == 300 && (25...110).contains(new), "\(new) of \(answers.count)")
                let second = try await agent.deploy(canary("3"))
                #expect(second.status == 6 && second.errors.contains("orch abort shop"), "\(second)")
                #expect(try await agent.orch("promote", "shop").status == 0)
                #expect(try await agent.instances("shop").map(\.version) == ["2", "2"])
                #expect(try await agent.deploy(canary("3")).status == 0)
                let aborted = try await agent.orch("abort", "shop")
                #expect(aborted.status == 8, "\(aborted)")
                #expect(try await agent.instances("shop").map(\.version) == ["2", "2"])
                #expect(try await agent.orch("promote", "shop").status == 6)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `blue and green never answer side by side`() async throws {
            try await TestAgent.withAgent { agent in
                func module(_ version: String) throws -> String {
                    try BackendService.module(
                        agent, version: version, replicas: 3, update: "strategy: blue-green, monitor: 300ms")
                }
                #expect(try await agent.deploy(module("1")).status == 0)
                let shop = try await agent.address("shop")
                let stop = "\(agent.folder)/stop"
                async let answers = agent.run(["sh", "-c", "until test -e \(stop); do curl -s -m 5 \(shop)/; done"])
                #expect(try await agent.deploy(module("2")).status == 0)
                try Files.replace(stop, with: "")
                let versions = try await answers.lines.map { $0.prefix(1) }
                let switches = zip(versions, versions.dropFirst()).count { $0 != $1 }
                #expect(switches == 1 && versions.first == "1" && versions.last == "2", "\(switches) switches")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a paused rollout stands still until it is resumed`() async throws {
            try await TestAgent.withAgent { agent in
                func module(_ version: String) throws -> String {
                    try BackendService.module(
                        agent, version: version, replicas: 2, update: "monitor: 1s, monitor_checks: 0")
                }
                #expect(try await agent.deploy(module("1")).status == 0)
                let id = try await agent.deploy(module("2"), "--detach", "-o", "name").output.split(separator: "\n")[0]
                #expect(try await agent.orch("pause", "shop").status == 0)
                #expect(try await agent.orch("wait", String(id)).errors.contains("orch resume shop"))
                #expect(try await agent.instances("shop").count { $0.version == "1" && $0.state == .healthy } == 2)
                #expect(try await agent.orch("pause", "shop").status == 6)
                #expect(try await agent.orch("resume", "shop").status == 0)
                #expect(try await agent.instances("shop").map(\.version) == ["2", "2"])
                #expect(try await agent.orch("resume", "shop").status == 6)
            }
        }

        @Test(
            .timeLimit(.minutes(2)),
            arguments: [
                ("CRASH: 1", "no configuration found"), ("UNHEALTHY: 1", "answers 500"),
                ("DIE_AFTER: 0.7", "out of luck"),
                ("WRONG_PORT: 1", "it listens on "),
            ])
        func `a version that does not hold never takes over`(manners: String, words: String) async throws {
            try await TestAgent.withAgent { agent in
                func module(_ version: String, env: String = "") throws -> String {
                    try BackendService.module(
                        agent, version: version, replicas: 2, env: env,
                        update: "monitor: 2s, monitor_checks: 0, healthy_timeout: 2s")
                }
                #expect(try await agent.deploy(module("1")).status == 0)
                let before = try await agent.instances("shop").map(\.pid)
                let bad = try await agent.deploy(module("2", env: manners))
                #expect(bad.status == 8, "\(bad)")
                #expect(bad.errors.contains(words), "\(bad)")
                #expect(try await agent.instances("shop").map(\.pid) == before)
                let history: HistoryView = try await agent.orch("history", "shop", "-o", "json").json()
                let last = try #require(history.deployments.first)
                #expect(last.state == .rolledBack)
                if manners.hasPrefix("CRASH") {
                    #expect(try #require(last.finishedAt) - last.startedAt < .seconds(2))
                }
                #expect(try await agent.curl("\(agent.address("shop"))/").output.hasPrefix("1 "))
                guard !manners.hasPrefix("DIE") else { return }
                #expect(try await agent.orch("rm", "shop").status == 0)
                let first = try await agent.deploy(module("2", env: manners))
                #expect(first.status == 9, "\(first)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a rollout that shall pause when it fails waits for a person, and can go either way`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                func module(_ version: String, env: String = "") throws -> String {
                    try BackendService.module(
                        agent, version: version, env: env,
                        update: "monitor: 200ms, on_failure: pause, healthy_timeout: 1s")
                }
                #expect(try await agent.deploy(module("1")).status == 0)
                let flag = "\(agent.folder)/ready"
                let failed = try await agent.deploy(
                    agent.module(
                        "shop",
                        "version: \"2\"\ncommand: [sh, -c, 'test -e \(flag) && exec python3 \(BackendService.program)/backend.py; echo not ready; exit 1']\nports: [{name: http}]\nhealth: {type: http}\nupdate: {monitor: 200ms, on_failure: pause}"
                    ))
                #expect(failed.status == 1, "\(failed)")
                #expect(
                    failed.errors.contains("| not ready") && failed.errors.contains("orch resume shop"), "\(failed)")
                #expect(try await agent.instances("shop").map(\.state) == [.healthy, .failed])
                #expect(try await agent.orch("why", "shop").output.contains("orch abort shop"))
                try Files.replace(flag, with: "")
                #expect(try await agent.orch("resume", "shop").status == 0)
                #expect(try await agent.instances("shop").map(\.version) == ["2"])
                #expect(try await agent.deploy(module("3", env: "CRASH: 1")).status == 1)
                #expect(try await agent.orch("abort", "shop").status == 8)
                #expect(try await agent.instances("shop").map(\.version) == ["2"])
                // The one before is the last that has held, not the last that was tried.
                #expect(try await agent.orch("rollback", "shop").status == 0)
                #expect(try await agent.instances("shop").map(\.version) == ["1"])
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a stop takes back what nobody has promoted`() async throws {
            try await TestAgent.withAgent { agent in
                func canary(_ version: String) throws -> String {
                    try BackendService.module(agent, version: version, update: "strategy: canary, monitor: 200ms")
                }
                let first = try await agent.deploy(canary("1"))
                #expect(first.status == 0)
                #expect(try await agent.deploy(canary("2")).status == 0)
                #expect(try await agent.orch("stop", "shop").status == 0)
                #expect(try await agent.orch("start", "shop").status == 0)
                #expect(try await agent.instances("shop").map(\.version) == ["1"])
            }
        }

        @Test(.timeLimit(.minutes(2))) func `why tells the state, the last exit, the last words and what to do`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let flag = "\(agent.folder)/flag"
                try Files.replace(flag, with: "")
                let moody = try agent.module(
                    "moody",
                    "command: [sh, -c, 'echo starting; test -e \(flag) || { echo no flag >&2; exit 7; }; sleep 1000']\nrestart: {initial_delay: 5s, max_delay: 5s}\nupdate: {monitor: 10ms}"
                )
                #expect(try await agent.deploy(moody).status == 0)
                let fine = try await agent.orch("why", "moody")
                #expect(fine.status == 0 && fine.output.contains("nothing checks whether it works"), "\(fine)")
                Files.remove(flag)
                let id = try await agent.instance("moody").id
                #expect(try await agent.orch("restart", id.rawValue).status == 0)
                try await agent.eventually("it waits") { try await agent.instance("moody").state == .backoff }
                for name in ["moody", id.rawValue] {
                    let why = try await agent.orch("why", name)
                    for words in [
                        "ends again and again", "exit     exit 7", "| no flag", "next     ", "orch logs -i \(id)",
                    ] {
                        #expect(why.output.contains(words), "\(words) is missing in \(why)")
                    }
                }
                let answer: WhyAnswer = try await agent.orch("why", "moody", "-o", "json").json()
                #expect(answer.instances.first?.instance.exit?.code == 7)
                #expect(answer.instances.first?.timeline.isEmpty == false)
                #expect(try await agent.orch("why", "nobody").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a one-shot module completes before those who depend on it, who are stopped first`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let flag = "\(agent.folder)/go"
                let migrate = try agent.module(
                    "migrate",
                    "command: [sh, -c, 'until test -e \(flag); do sleep 0.02; done']\nrestart: {policy: on-failure}")
                let shop = try agent.module(
                    "shop", "command: sleep 1000\ndepends_on: [migrate]\nupdate: {monitor: 10ms}")
                let web = try agent.module("web", "command: sleep 1000\ndepends_on: [shop]\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(migrate, "--detach").status == 0)
                #expect(try await agent.deploy(shop, "--detach").status == 0)
                try await agent.eventually("it runs") { try await agent.instance("migrate").state == .running }
                #expect(try await agent.instance("shop").reason == "waits for migrate")
                try Files.replace(flag, with: "")
                try await agent.eventually("it follows") { try await agent.instance("shop").state == .running }
                #expect(try await agent.instance("migrate").state == .completed)
                #expect(try await agent.deploy(web).status == 0)
                #expect(try await agent.orch("shutdown", "--stop-instances").status == 0)
                #expect(try await agent.orch("bootstrap").status == 0)
                let stopped = try await agent.orch("events", "-n", "200", "-o", "jsonl").lines
                    .compactMap { try? JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
                    .filter { $0.kind == "instance.stopped" }.compactMap(\.module?.rawValue)
                #expect(stopped == ["web", "shop"])
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `every instance tells where it was put and why, and what fits nowhere is refused`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let inspected = try await agent.orch("inspect", agent.instance("shop").id.rawValue)
                #expect(inspected.output.contains("placement: \"the only server: "), "\(inspected)")
                let huge = try await agent.deploy(agent.module("huge", "command: sleep 1\nlimits: {memory: 900T}"))
                #expect(huge.status == 6 && huge.errors.contains("no server can take huge"), "\(huge)")
                let elsewhere = try await agent.deploy(
                    agent.module("far", "command: sleep 1\nplacement: {servers: [moon]}"))
                #expect(elsewhere.status == 6, "\(elsewhere)")
                try await agent.eventually("the documents are true") {
                    let services = (try? Files.readText("\(agent.data)/Loadbalancer/services.json")) ?? ""
                    let servers = (try? Files.readText("\(agent.data)/Loadbalancer/servers.json")) ?? ""
                    return try await services.contains(agent.address("shop")) && servers.contains("\"instances\" : 1")
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `the port of a service stays its own over updates, restarts and lost records`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let address = try await agent.address("shop")
                #expect(try await agent.deploy(BackendService.module(agent, version: "2")).status == 0)
                try await agent.killAgent()
                try await agent.bootstrap()
                #expect(try await agent.address("shop") == address)
                #expect(try await agent.curl("\(address)/").output.hasPrefix("2 "))
                try await agent.killAgent()
                for suffix in ["", "-wal", "-shm"] { Files.remove("\(agent.data)/orch.db\(suffix)") }
                try await agent.bootstrap()
                #expect(try await agent.address("shop") == address)
                #expect(try await agent.curl("\(address)/").output.hasPrefix("2 "))
            }
        }
    }
}
