import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct AgentLife {
        private let counter = """
            command: [sh, -c, 'i=0; while true; do i=$$((i+1)); echo "line $$i"; sleep 0.005; done']
            """

        @Test(.timeLimit(.minutes(3))) func `twenty kills of the agent cost no process, no line and no exit code`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("counter", counter)).status == 0)
                let before = try await agent.instance("counter")
                for round in 1...20 {
                    try await agent.killAgent()
                    try await agent.bootstrap()
                    #expect(try await agent.instance("counter").pid == before.pid, "after kill \(round)")
                }
                #expect(try await agent.orch("stop", "counter").status == 0)
                // The last line is there once the shipper has sent it.
                let last = try #require(lastLine(of: before.id, agent))
                try await agent.eventually("all lines are shipped") {
                    try await agent.logLines("-m", "counter", "-n", "1").last?.line == last
                }
                let lines = try await agent.logLines("-m", "counter")
                #expect(lines.map(\.seq) == Array(1...Int64(lines.count)))
                #expect(lines.map(\.line) == (1...lines.count).map { "line \($0)" })
                #expect(lines.count > 100)
                #expect(try await agent.instance("counter").exit?.signal == 15)
            }
        }

        /// The last line that the instance has written, by its own spool.
        private func lastLine(of id: InstanceID, _ agent: TestAgent) -> String? {
            let spool = "\(agent.data)/instances/\(id)/spool"
            return Files.list(spool).last.flatMap { try? Files.readText("\(spool)/\($0)") }?.split(separator: "\n").last
                .map { String($0.split(separator: " ", maxSplits: 3)[3]) }
        }

        @Test(.timeLimit(.minutes(2))) func `what ended while the agent was away has its true exit code`() async throws
        {
            try await TestAgent.withAgent { agent in
                let flag = "\(agent.folder)/go"
                let waiting = try agent.module(
                    "waiting",
                    "command: [sh, -c, 'until test -e \(flag); do sleep 0.01; done; exit 42']\nrestart: {policy: never}\nupdate: {monitor: 10ms}"
                )
                #expect(try await agent.deploy(waiting).status == 0)
                let id = try await agent.instance("waiting").id.rawValue
                try await agent.killAgent()
                try Files.replace(flag, with: "")
                while !Files.exists("\(agent.data)/instances/\(id)/exit") { _ = try await agent.run(["true"]) }
                try await agent.bootstrap()
                try await agent.eventually("the exit is known") { try await agent.instance("waiting").exit != nil }
                #expect(try await agent.instance("waiting").exit?.code == 42)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a deployment that the agent is killed in is ended by the next one`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let slow = try agent.module(
                    "slow", "command: sleep 1000\nreplicas: 3\nupdate: {monitor: 300ms, max_surge: 1}")
                #expect(try await agent.deploy(slow).status == 0)
                let update = try await agent.deploy(slow, "-e", "A=b", "--detach")
                for _ in 0..<3 {
                    try await agent.killAgent()
                    try await agent.bootstrap()
                }
                #expect(try await agent.orch("wait", update.output.trimmed).status == 0)
                let instances = try await agent.instances("slow")
                #expect(instances.count == 3)
                #expect(instances.allSatisfy { $0.revision == 2 })
                #expect(processCount(agent) == 3)
            }
        }

        private func processCount(_ agent: TestAgent) -> Int {
            Files.list("\(agent.data)/instances").reduce(0) { $0 + agent.processes(of: $1).count }
        }

        @Test(.timeLimit(.minutes(2))) func `a shutdown leaves instances running, and takes them along when asked`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                        .status == 0)
                let before = try await agent.instance("sleeper")
                #expect(try await agent.orch("shutdown").status == 0)
                #expect(agent.processes(of: before.id.rawValue) == [before.pid].compactMap(\.self))
                #expect(try await agent.orch("status").status == 4)
                try await agent.bootstrap()
                #expect(try await agent.instance("sleeper").pid == before.pid)
                #expect(try await agent.orch("shutdown", "--stop-instances").status == 0)
                #expect(agent.processes(of: before.id.rawValue).isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `an agent that is told to takes its instances along when it ends`()
            async throws
        {
            try await TestAgent.withAgent(options: ["--stop-instances"]) { agent in
                let sleeper = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(sleeper).status == 0)
                let id = try await agent.instance("sleeper").id.rawValue
                #expect(try await agent.orch("shutdown").status == 0)
                #expect(agent.processes(of: id).isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a full disk is told, costs nothing that was promised, and mends by itself`() async throws {
            try await TestAgent.withoutAgent { agent in
                try Files.makeFolder(agent.data)
                try #require(
                    try await agent.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", agent.data]).status == 0)
                let outcome: Result<Void, any Error>
                do {
                    try await agent.bootstrap()
                    let sleeper = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                    #expect(try await agent.deploy(sleeper).status == 0)
                    let before = try await agent.instance("sleeper").pid
                    let second = try agent.module("second", "command: sleep 1000\nupdate: {monitor: 10ms}")
                    #expect(try await agent.deploy(second).status == 0)
                    let ended = try await agent.instance("second").id.rawValue
                    _ = try await agent.run(["dd", "if=/dev/zero", "of=\(agent.data)/filler", "bs=64k"])
                    let refused = try await agent.deploy(
                        agent.module("other", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                    #expect(refused.status == 1, "\(refused)")
                    #expect(refused.errors.contains("free some disk space"), "\(refused)")
                    // What ends something or makes room is done all the same, and written down later.
                    for words in [["prune"], ["stop", "second"]] {
                        let outcome = try await agent.orch(words)
                        #expect(outcome.status == 0, "\(outcome)")
                    }
                    #expect(agent.processes(of: ended).isEmpty)
                    Files.remove("\(agent.data)/filler")
                    #expect(
                        try await agent.deploy(agent.module("other", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                            .status == 0)
                    #expect(try await agent.instance("sleeper").pid == before)
                    try await agent.killAgent()
                    try await agent.bootstrap()
                    #expect(try await agent.instance("sleeper").pid == before)
                    #expect(agent.processes(of: ended).isEmpty)
                    #expect(try await agent.instances("second").allSatisfy { !$0.state.isActive })
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                _ = try await agent.run(["dd", "if=/dev/zero", "of=\(agent.data)/filler", "bs=64k"])
                let shutdown = try await agent.orch("shutdown", "--stop-instances")
                #expect(shutdown.status == 0, "\(shutdown)")
                #expect(try await agent.run(["umount", agent.data]).status == 0)
                try outcome.get()
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a damaged database is moved aside and running instances are found again`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(
                        agent.module(
                            "sleeper",
                            "command: sleep 1000\nreplicas: 2\nports: [{name: http}]\nupdate: {monitor: 10ms}")
                    ).status == 0)
                let before = Set(try await agent.instances("sleeper").compactMap(\.pid))
                try await agent.killAgent()
                let database = AgentPaths.database(in: agent.data)
                try Files.replace(database, with: [UInt8](repeating: 0x5a, count: 8192))
                for suffix in ["-wal", "-shm"] { Files.remove(database + suffix) }
                let outcome = try await agent.orch("bootstrap")
                #expect(outcome.status == 0)
                #expect(outcome.errors.contains("was damaged"), "\(outcome)")
                #expect(Set(try await agent.instances("sleeper").compactMap(\.pid)) == before)
                #expect(Files.list(agent.data).contains { $0.hasPrefix("orch.db.damaged-") })
                // What was rebuilt is as durable as what was there before.
                let ports = Set(try await agent.instances("sleeper").compactMap { $0.ports["http"] })
                #expect(ports.count == 2)
                try await agent.killAgent()
                try await agent.bootstrap()
                #expect(Set(try await agent.instances("sleeper").compactMap(\.pid)) == before)
                #expect(Set(try await agent.instances("sleeper").compactMap { $0.ports["http"] }) == ports)
                #expect(try await agent.orch("stop", "sleeper").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(1))) func `one agent uses a data directory`() async throws {
            try await TestAgent.withAgent { agent in
                let second = try await agent.run([
                    "\(TestAgent.programs)/orch-agent", "--data-dir", agent.data, "--socket",
                    "\(agent.folder)/other.sock",
                ])
                #expect(second.status == 6)
                #expect(second.errors.contains("another agent"))
                #expect(try await agent.orch("bootstrap").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(1)))
        func `a data directory that cannot be made, and a socket that is too long, are told`() async throws {
            try await TestAgent.withoutAgent { agent in
                let refused = try await agent.orch("bootstrap", "--data-dir", "/proc/nowhere")
                #expect(refused.status == 5)
                #expect(refused.errors.contains("--data-dir"), "\(refused)")
                let long = try await agent.orch(
                    "bootstrap", "--data-dir", agent.folder + "/" + String(repeating: "x", count: 120))
                #expect(long.status == 2)
                #expect(long.errors.contains("--socket"), "\(long)")
            }
        }

        @Test(.timeLimit(.minutes(1))) func `the port on loopback wants the token and its own name`() async throws {
            try await TestAgent.withAgent(options: ["--http-port", "0"]) { agent in
                let address = try Files.readText(AgentPaths.address(in: agent.data)).trimmed
                let token = try Files.readText(AgentPaths.token(in: agent.data)).trimmed
                #expect(try await agent.orch("status", "--host", address).status == 0)
                let wrong = try await agent.orch("status", "--host", address, environment: ["ORCH_TOKEN": "wrong"])
                #expect(wrong.status == 5, "\(wrong)")
                for (headers, code) in [
                    (["Authorization: Bearer \(token)"], "200"), ([], "403"),
                    (["Authorization: Bearer \(token)", "Host: evil.example"], "403"),
                    (["Authorization: Bearer \(token)", "Origin: http://evil.example"], "403"),
                ] {
                    let words =
                        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"] + headers.flatMap { ["-H", $0] } + [
                            "\(address)/v1/status"
                        ]
                    #expect(try await agent.run(words).output == code, "\(headers)")
                }
            }
        }

        @Test(.timeLimit(.minutes(1))) func `documents, metrics, schema and OpenAPI are served and true`() async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(
                        agent.module("sleeper", "command: sleep 1000\nports: [{name: http}]\nupdate: {monitor: 10ms}")
                    ).status == 0)
                let instance = try await agent.instance("sleeper")
                func get(_ path: String) async throws -> String {
                    try await agent.run([
                        "curl", "-s", "--unix-socket", AgentPaths.socket(in: agent.data), "http://agent\(path)",
                    ]).output
                }
                #expect(try await get("/metrics").contains(#"orch_instances{state="running"} 1.0"#))
                #expect(try await get("/v1/openapi.json").contains("/v1/get_running_ip/{module}"))
                #expect(try await get("/v1/schema").contains("healthy_timeout"))
                #expect(try await get("/v1/health/ready").contains("ready"))
                #expect(
                    try await get("/v1/get_running_ip/sleeper").contains(
                        "127.0.0.1:\(try #require(instance.ports["http"]))"))
                #expect(try await get("/v1/getServiceInstancesDetails").contains(instance.id.rawValue))
                #expect(try await get("/v1/requests").contains("/v1/deployments"))
                #expect(try await get("/v1/nothing").contains("not_found"))
                for (name, word) in [
                    ("Runtime/module_name_id_map.json", instance.id.rawValue),
                    ("Repository/initiate_server.json", "127.0.0.1:"),
                    ("Loadbalancer/services.json", "sleeper"), ("Loadbalancer/servers.json", "free_memory"),
                ] {
                    try await agent.eventually("\(name) is true") {
                        (try? Files.readText("\(agent.data)/\(name)"))?.contains(word) ?? false
                    }
                }
                try await agent.eventually("the topic's file is written") {
                    (try? Files.readText("\(agent.data)/LoggingModule/Request_Manager.log"))?.contains(
                        "POST /v1/deployments") ?? false
                }
            }
        }

        @Test(.timeLimit(.minutes(1))) func `the outline's handlers start, stop and deploy`() async throws {
            try await TestAgent.withAgent { agent in
                func post(_ path: String, _ body: String? = nil) async throws -> String {
                    let words = [
                        "curl", "-s", "-X", "POST", "-H", "Content-Type: application/json", "--unix-socket",
                        AgentPaths.socket(in: agent.data),
                    ]
                    return try await agent.run(words + (body.map { ["-d", $0] } ?? []) + ["http://agent\(path)"]).output
                }
                let file = "name: sleeper\\ncommand: sleep 1000\\nupdate: {monitor: 10ms}\\n"
                let details = #"{"file": "\#(file)", "path": "/tmp/module.yaml"}"#
                let answer = try await post("/v1/add_deployment_details", details)
                #expect(answer.contains("d-"))
                #expect(try await agent.orch("wait", "sleeper").status == 0)
                #expect(try await post("/v1/stop_module/sleeper").contains("stop"))
                #expect(try await agent.orch("wait", "sleeper").status == 0)
                #expect(try await post("/v1/start_module/sleeper").contains("start"))
                #expect(try await agent.orch("wait", "sleeper").status == 0)
                #expect(try await post("/v1/start_service?module=scheduler&ip=127.0.0.1").contains("scheduler"))
                #expect(try await agent.orch("wait", "scheduler").status == 0)
                #expect(
                    try await post("/v1/start_service?module=scheduler&ip=192.0.2.1").contains("there is no server"))
            }
        }
    }
}
