import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct Instances {
        @Test(.timeLimit(.minutes(1))) func `what instances use is told`() async throws {
            try await TestAgent.withAgent { agent in
                let busy =
                    "command: [sh, -c, 'while :; do :; done & wait']\nupdate: {monitor: 10ms}\nports: [{name: http}]"
                #expect(try await agent.deploy(agent.module("busy", busy)).status == 0)
                #expect(
                    try await agent.deploy(agent.module("idle", "command: sleep 1000\nupdate: {monitor: 10ms}")).status
                        == 0)
                let stats = try await agent.orch("stats", "--interval", "300ms", "-o", "jsonl")
                #expect(stats.status == 0 && stats.lines.count == 2, "\(stats)")
                let shares: [Double] = try stats.lines.map { line in
                    let value = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
                    switch value["cpu"] {
                    case .number(let share)?: return share
                    case .integer(let share)?: return Double(share)
                    default: return -1
                    }
                }
                #expect(shares[0] > 20, "\(stats)")
                #expect((0..<5).contains(shares[1]), "\(stats)")
                let table = try await agent.orch("stats", "busy", "--interval", "100ms")
                #expect(table.lines.first?.contains("MEMORY") == true && table.lines.count == 2, "\(table)")
                let port = try #require(try await agent.instance("busy").ports["http"])
                #expect(try await agent.orch("port", "busy", "-o", "name").lines.last == "127.0.0.1:\(port)")
                #expect(try await agent.orch("port", "nobody").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a crash is restarted in place, counted, and its exit code kept`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let flag = "\(agent.folder)/crash"
                let module = try agent.module(
                    "fragile",
                    "command: [sh, -c, 'while ! test -e \(flag); do sleep 0.01; done; rm \(flag); exit 3']\nupdate: {monitor: 10ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                let before = try await agent.instance("fragile")
                try Files.replace(flag, with: "")
                try await agent.eventually("it is restarted") { try await agent.instance("fragile").restarts == 1 }
                let after = try await agent.instance("fragile")
                #expect(after.id == before.id)
                #expect(after.pid != before.pid)
                #expect(after.exit?.code == 3)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a crash loop backs off and is given up where the module file says so`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let flag = "\(agent.folder)/ok"
                try Files.replace(flag, with: "")
                let module = try agent.module(
                    "loop",
                    "command: [sh, -c, 'while test -e \(flag); do sleep 0.01; done; exit 1']\nrestart: {initial_delay: 10ms, give_up_after: 4}\nupdate: {monitor: 10ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                Files.remove(flag)
                try await agent.eventually("it is given up") { try await agent.instance("loop").state == .failed }
                #expect(try await agent.instance("loop").restarts == 4)
                #expect(try await agent.orch("services").output.contains("down"))
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `the whole tree of an instance ends with it, those that left the session too`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "tree",
                    "command: [sh, -c, 'sleep 1000 & setsid sleep 1000 & (setsid sh -c \"sleep 1000 & sleep 1000\" &) ; exec sleep 1000']\nupdate: {monitor: 50ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                let id = try await agent.instance("tree").id.rawValue
                try await agent.eventually("all of them run") { agent.processes(of: id).count >= 5 }
                #expect(try await agent.orch("stop", "tree").status == 0)
                #expect(agent.processes(of: id).isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `what the main program leaves behind is ended too`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "leaver", "command: [sh, -c, 'setsid sleep 1000 & exit 0']\nrestart: {policy: never}")
                #expect(try await agent.deploy(module).status == 0)
                let instance = try await agent.instance("leaver")
                #expect(instance.state == .completed)
                #expect(agent.processes(of: instance.id.rawValue).isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a program that ignores the signal is killed after its grace`() async throws
        {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "deaf",
                    "command: [sh, -c, 'trap \"\" TERM; while true; do sleep 0.1; done']\nstop: {grace: 300ms}\nupdate: {monitor: 50ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                #expect(try await agent.orch("stop", "deaf").status == 0)
                #expect(try await agent.instance("deaf").exit?.signal == SIGKILL)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `the stop signal is the one that the module file names`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "polite",
                    "command: [sh, -c, 'trap \"echo bye; exit 5\" INT; while true; do sleep 0.05; done']\nstop: {signal: INT}\nupdate: {monitor: 50ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                #expect(try await agent.orch("stop", "polite").status == 0)
                #expect(try await agent.instance("polite").exit?.code == 5)
                try await agent.eventually("its last words are kept") {
                    try await agent.logLines("-m", "polite").last?.line == "bye"
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `user, directory, environment, configuration and limits hold`() async throws
        {
            try await TestAgent.withAgent { agent in
                let report =
                    "id -un; pwd; echo $$GREETING; cat $$ORCH_CONFIG_DIR/app.conf; ulimit -n; umask; echo $$PORT; env | grep -c ^LEAKED; true"
                let module = try agent.module(
                    "report",
                    """
                    command: [sh, -c, '\(report)']
                    user: nobody
                    workdir: /tmp
                    env: {GREETING: "hello ${ORCH_MODULE_NAME}"}
                    files: [{path: app.conf, content: "port=${PORT}\\n", mode: "0400"}]
                    ports: [{name: http}]
                    limits: {open_files: 64}
                    restart: {policy: never}
                    """)
                #expect(try await agent.deploy(module).status == 0)
                try await agent.eventually("all is reported") { try await agent.logLines("-m", "report").count >= 8 }
                let port = try #require(try await agent.instance("report").ports["http"])
                #expect(
                    try await agent.logLines("-m", "report").map(\.line) == [
                        "nobody", "/tmp", "hello report", "port=\(port)", "64", "0022", "\(port)", "0",
                    ])
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a limit of memory ends in an exit that says so, or in a notice where it cannot be set`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "hungry",
                    "command: [python3, -c, 'x = bytearray(300 << 20); print(len(x))']\nlimits: {memory: 32M}\nrestart: {policy: never}"
                )
                _ = try await agent.deploy(module)
                let notices = try await agent.orch("status", "-o", "json").json(AgentStatus.self).notices
                if notices.contains(where: { $0.contains("memory limit") }) { return }
                try await agent.eventually("it has ended") { try await agent.instance("hungry").exit != nil }
                #expect(try await agent.instance("hungry").exit?.outOfMemory == true)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `one instance is stopped, started and restarted by its id`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(
                        agent.module("pair", "command: sleep 1000\nreplicas: 2\nupdate: {monitor: 10ms}")
                    ).status == 0)
                let (one, other) = (try await agent.instances("pair")[0], try await agent.instances("pair")[1])
                func state(_ id: InstanceID) async throws -> InstanceView {
                    try #require(try await agent.instances("pair").first { $0.id == id })
                }
                #expect(try await agent.orch("stop", one.id.rawValue).status == 0)
                try await agent.eventually("it is stopped") { try await state(one.id).state == .stopped }
                #expect(try await state(other.id).pid == other.pid)
                #expect(try await agent.orch("start", one.id.rawValue).status == 0)
                try await agent.eventually("it runs again") { try await state(one.id).state == .running }
                #expect(try await agent.orch("restart", other.id.rawValue).status == 0)
                try await agent.eventually("the other was restarted") {
                    let now = try await state(other.id)
                    return now.state == .running && now.pid != other.pid
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `fifty restarts leak neither descriptors nor zombies`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "blink",
                    "command: [sh, -c, 'sleep 0.02; exit 1']\nrestart: {initial_delay: 0s, max_delay: 0s}\nupdate: {monitor: 1ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                try await agent.eventually("a few restarts") { try await agent.instance("blink").restarts >= 5 }
                let pid = try #require(agent.pid)
                let before = Files.list("/proc/\(pid)/fd").count
                try await agent.eventually("fifty more") { try await agent.instance("blink").restarts >= 55 }
                #expect(try await agent.orch("stop", "blink").status == 0)
                #expect(Files.list("/proc/\(pid)/fd").count <= before + 3)
                let zombies = Files.list("/proc").compactMap { Int32($0) }.filter { process in
                    guard let text = try? Files.readText("/proc/\(process)/stat"),
                        let fields = text.split(separator: ")").last?.split(separator: " ")
                    else { return false }
                    return fields.count > 1 && fields[0] == "Z" && fields[1] == "\(pid)"
                }
                #expect(zombies.isEmpty)
            }
        }
    }
}
