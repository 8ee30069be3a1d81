import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// Containers on a real Docker engine.
    @Suite(.serialized) struct Containers {
        /// A module that answers requests.
        private static func web(
            _ more: String = "", on engine: TestEngine.Kind = .docker, image: String = "box",
            command: String = "httpd -f -p 8080 -h /www"
        )
            -> String
        {
            """
            runtime: \(engine)
            image: \(image)
            command: \(command)
            ports: [{name: http, target: 8080}]
            health: {type: http, interval: 100ms}
            update: {monitor: 100ms, healthy_timeout: 3s}
            stop: {grace: 200ms}
            \(more)
            """
        }

        @Test(.timeLimit(.minutes(3)), arguments: TestEngine.Kind.allCases)
        func `a container is deployed, found, looked at, and taken away`(kind: TestEngine.Kind) async throws {
            try await TestEngine.withEngine(kind) { engine, agent in
                let deploy = try await agent.deploy(agent.module("web", Self.web(on: kind)))
                #expect(deploy.status == 0, "\(deploy)")
                let instance = try await agent.instance("web")
                #expect(instance.state == .healthy)
                #expect(instance.runtime.rawValue == kind.rawValue)
                let port = try #require(instance.ports["http"])
                #expect(try await agent.run(["curl", "-sf", "http://127.0.0.1:\(port)/"]).output == "hello\n")
                let address = try await agent.address("web")
                #expect(try await agent.run(["curl", "-sf", address]).output == "hello\n")
                let listed = try await engine.docker(
                    "ps", "--filter", "label=orch.module=web", "--format", "{{.Names}} {{.Label \"orch.version\"}}")
                #expect(listed.output == "\(instance.id) 0\n")

                let usage: [UsageView] = try await agent.run([
                    "curl", "-sf", "--unix-socket", "\(agent.data)/orch.sock", "http://agent/v1/usage",
                ]).json()
                #expect(usage.first?.usage.processes == 1)
                #expect(usage.first.map { $0.usage.memory > 50_000 } == true)
                #expect(try await agent.orch("port", "web", "-o", "name").lines == [address, "127.0.0.1:\(port)"])

                #expect(try await agent.orch("stop", "web").status == 0)
                #expect(try await engine.docker("ps", "-q").output.isEmpty)
                #expect(try await agent.orch("start", "web").status == 0)
                #expect(try await agent.instance("web").state == .healthy)
                #expect(try await agent.orch("rm", "web").status == 0)
                #expect(try await engine.docker("ps", "-aq").output.isEmpty)
                #expect(try await engine.docker("network", "ls", "-q", "--filter", "name=orch-").output.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(3))) func `what the module file says holds for a container`() async throws {
            try await TestEngine.withEngine { engine, agent in
                try Files.replace("\(agent.folder)/db.password", with: "s3cret")
                let script = [
                    "id -u", "echo user=$$SHOP_USER", "cat $$ORCH_CONFIG_DIR/app.conf; echo",
                    "cat /run/secrets/db; echo",
                    "touch /no 2>&1; echo", "touch /scratch/yes && echo written", "cat /proc/self/status",
                    "touch /kept/file", "exec sleep 1000",
                ].joined(separator: "; ")
                let box = """
                    runtime: docker
                    image: box
                    command: [sh, -c, '\(script)']
                    user: "1000:1000"
                    env: {SHOP_USER: "${ORCH_INSTANCE_ID}"}
                    files:
                      - {path: app.conf, content: "module ${ORCH_MODULE_NAME}", mode: "0640"}
                      - {path: db, source: db.password, secret: true}
                    limits: {memory: 64M, processes: 50, open_files: 200, cpu: 0.5}
                    container:
                      read_only: true
                      volumes: [{path: /scratch, size: 1M}, {path: /kept, source: ./kept}]
                    update: {monitor: 100ms}
                    stop: {grace: 100ms}
                    """
                try Files.makeFolder("\(agent.folder)/kept")
                chmod("\(agent.folder)/kept", 0o777)
                let deploy = try await agent.deploy(agent.module("box", box))
                #expect(deploy.status == 0, "\(deploy)")
                let id = try await agent.instance("box").id.rawValue
                try await agent.eventually("it has done all") { Files.exists("\(agent.folder)/kept/file") }
                let lines = try await agent.logLines("box").map(\.line)
                #expect(lines.first == "1000")
                #expect(lines.contains("user=\(id)"))
                #expect(lines.contains("module box"))
                #expect(lines.contains("s3cret"))
                #expect(lines.contains { $0.contains("Read-only file system") })
                #expect(lines.contains("written"))
                #expect(lines.contains("CapBnd:\t0000000000000000"))
                #expect(lines.contains("NoNewPrivs:\t1"))
                let limits = try await engine.docker(
                    "inspect", "--format",
                    "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}",
                    id)
                #expect(limits.output == "67108864 50 500000000 no\n")
                // A secret is nowhere else.
                for words in [["inspect", "box"], ["inspect", id], ["history", "box", "-o", "json"]] {
                    #expect(try await !agent.orch(words).output.contains("s3cret"), "\(words)")
                }
                #expect(try await !engine.docker("inspect", id).output.contains("s3cret"))
            }
        }

        @Test(.timeLimit(.minutes(3))) func `modules of one network find each other by their names`() async throws {
            try await TestEngine.withEngine { _, agent in
                #expect(try await agent.deploy(agent.module("web", Self.web())).status == 0)
                let asker = """
                    runtime: docker
                    image: box
                    command: [sh, -c, "busybox wget -q -O - http://web:8080/; exec sleep 1000"]
                    update: {monitor: 100ms}
                    stop: {grace: 100ms}
                    """
                #expect(try await agent.deploy(agent.module("asker", asker)).status == 0)
                try await agent.eventually("it was answered") {
                    try await agent.logLines("asker").map(\.line) == ["hello"]
                }
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: TestEngine.Kind.allCases)
        func `the agent is killed, and every container and line is kept once`(kind: TestEngine.Kind) async throws {
            try await TestEngine.withEngine(kind) { engine, agent in
                let counter = """
                    runtime: \(kind)
                    image: box
                    command: [sh, -c, "i=0; while :; do i=$$((i+1)); echo $$i; echo $$i >&2; done | busybox head -n 20000; exec sleep 1000"]
                    update: {monitor: 10ms}
                    stop: {grace: 100ms}
                    """
                #expect(try await agent.deploy(agent.module("counter", counter)).status == 0)
                let before = try await engine.docker("ps", "-q").output
                for _ in 0..<5 {
                    try await agent.killAgent()
                    try await agent.bootstrap()
                }
                try await agent.eventually("all lines are there", within: .seconds(60)) {
                    try await agent.logLines("counter", "--grep", "^20000$").contains { $0.stream == "stdout" }
                }
                #expect(try await engine.docker("ps", "-q").output == before)
                let out = try await agent.logLines("counter").filter { $0.stream == "stdout" }.compactMap {
                    Int($0.line)
                }
                #expect(out.count == 20_000)
                #expect(Set(1...20_000).subtracting(out).sorted().prefix(10) == [])
                let firstDisorder = zip(out, out.dropFirst()).first { $0 >= $1 }
                #expect(firstDisorder == nil)
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: TestEngine.Kind.allCases)
        func `ends are told with their status, signal or lack of memory`(kind: TestEngine.Kind) async throws {
            try await TestEngine.withEngine(kind) { engine, agent in
                let job = "runtime: \(kind)\nimage: box\nrestart: {policy: never}\nupdate: {monitor: 10ms}\n"
                let three = try agent.module("three", job + "command: [sh, -c, 'echo last words; exit 3']")
                _ = try await agent.deploy(three, "--detach")
                try await agent.eventually("it has ended") { try await agent.instance("three").state == .failed }
                #expect(try await agent.instance("three").exit?.code == 3)
                #expect(try await agent.logLines("three").map(\.line) == ["last words"])

                let hungry = try agent.module(
                    "hungry", job + "command: [sh, -c, 'sleep 0.3; tail /dev/zero']\nlimits: {memory: 16M}")
                _ = try await agent.deploy(hungry, "--detach")
                try await agent.eventually("it has ended") { try await agent.instance("hungry").exit != nil }
                let killed = try #require(try await agent.instance("hungry").exit)
                // Podman does not see it with the control groups of version 1.
                if kind == .docker { #expect(killed.outOfMemory) } else { #expect(killed.signal == SIGKILL) }

                let missing = try await agent.deploy(
                    agent.module("missing", "runtime: \(kind)\nimage: box\ncommand: [/no/such/program]"))
                #expect(missing.status == 9)
                #expect(missing.errors.contains("/no/such/program"), "\(missing)")
                let unknown = try await agent.deploy(
                    agent.module("unknown", "runtime: \(kind)\nimage: nowhere.invalid/nothing:1"))
                #expect(unknown.status == 9)
                #expect(unknown.errors.contains("the image nowhere.invalid/nothing:1 is not there"), "\(unknown)")
                #expect(try await engine.docker("ps", "-q").output.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(3))) func `what is done to a container by hand is noticed`() async throws {
            try await TestEngine.withEngine { engine, agent in
                #expect(try await agent.deploy(agent.module("web", Self.web())).status == 0)
                let id = try await agent.instance("web").id.rawValue
                for act in ["kill", "rm -f"] {
                    let restarts = try await agent.instance("web").restarts
                    let started = ContinuousClock.now
                    #expect(try await engine.shell("docker \(act) \(id)").status == 0)
                    try await agent.eventually("it is there again after \(act)") {
                        let now = try await agent.instance("web")
                        return now.restarts > restarts && now.state == .healthy
                    }
                    #expect(ContinuousClock.now - started < .seconds(8))
                }
                #expect(try await engine.shell("docker pause \(id)").status == 0)
                try await agent.eventually("it is unhealthy") { try await agent.instance("web").state == .unhealthy }
                let why = try await agent.orch("why", "web")
                #expect(why.output.contains("docker unpause"), "\(why)")
                #expect(try await engine.shell("docker unpause \(id)").status == 0)
                try await agent.eventually("it is healthy") { try await agent.instance("web").state == .healthy }
            }
        }

        @Test(.timeLimit(.minutes(4)), arguments: [true, false])
        func `an engine that goes away and comes back is told, and all is found again`(keepsContainers: Bool)
            async throws
        {
            try await TestEngine.withEngine(options: keepsContainers ? ["--live-restore"] : []) { engine, agent in
                #expect(try await agent.deploy(agent.module("web", Self.web())).status == 0)
                let before = try await agent.instance("web")
                try await engine.stop()
                // Containers that went with their engine are waited for, others are not known of.
                try await agent.eventually("it is told") {
                    let now = try await agent.instance("web")
                    return now.state == (keepsContainers ? .unknown : .backoff)
                        && now.reason.contains("answer")
                }
                if keepsContainers {
                    #expect(try await agent.orch("status").output.contains("does not answer"))
                }
                try await engine.start()
                try await agent.eventually("it is healthy", within: .seconds(60)) {
                    try await agent.instance("web").state == .healthy
                }
                let after = try await agent.instance("web")
                #expect(after.id == before.id)
                #expect((after.pid == before.pid) == keepsContainers)
            }
        }

        @Test(.timeLimit(.minutes(4))) func `an update fails no request, and a bad version is rolled back`()
            async throws
        {
            try await TestEngine.withEngine { _, agent in
                #expect(try await agent.deploy(agent.module("web", Self.web("version: 1\nreplicas: 2"))).status == 0)
                let address = try await agent.address("web")
                let answers = "\(agent.folder)/answers"
                let load = try agent.start(
                    ["sh", "-c", "while :; do curl -s -o /dev/null -w '%{http_code}\\n' \(address); done"],
                    output: answers)
                defer { agent.end(load) }
                for version in ["2", "3"] {
                    let update = try await agent.deploy(
                        agent.module("web", Self.web("version: \(version)\nreplicas: 2")))
                    #expect(update.status == 0, "\(update)")
                }
                let bad = Self.web("version: 4\nreplicas: 2", command: "sleep 1000")
                let failed = try await agent.deploy(agent.module("web", bad))
                #expect(failed.status == 8, "\(failed)")
                let codes = try Files.readText(answers).split(separator: "\n")
                #expect(codes.count > 20)
                #expect(codes.allSatisfy { $0 == "200" }, "\(Set(codes))")
            }
        }

        @Test(.timeLimit(.minutes(3))) func `checks from within and of the image decide`() async throws {
            try await TestEngine.withEngine { engine, agent in
                try await engine.importImage(
                    "checked",
                    changes: [
                        "CMD [\"/bin/sh\",\"-c\",\"sleep 0.5; touch /tmp/ok; sleep 1000\"]",
                        "HEALTHCHECK --interval=200ms CMD cat /tmp/ok",
                    ])
                let image =
                    "runtime: docker\nimage: checked\nhealth: {type: image, interval: 100ms}\nupdate: {monitor: 100ms}\nstop: {grace: 100ms}"
                let first = try await agent.deploy(agent.module("image", image))
                #expect(first.status == 0, "\(first)")
                #expect(try await agent.instance("image").state == .healthy)
                let exec = """
                    runtime: docker
                    image: checked
                    health: {type: exec, command: [cat, /tmp/ok], interval: 100ms}
                    update: {monitor: 100ms}
                    stop: {grace: 100ms}
                    """
                #expect(try await agent.deploy(agent.module("exec", exec)).status == 0)
                let id = try await agent.instance("exec").id.rawValue
                #expect(try await engine.docker("exec", id, "busybox", "rm", "/tmp/ok").status == 0)
                try await agent.eventually("it is unhealthy") { try await agent.instance("exec").state == .unhealthy }
                #expect(try await agent.instance("exec").reason.contains("the check ended with 1"))
            }
        }

        @Test(.timeLimit(.minutes(3))) func `an agent that starts before its engine finds all when that comes`()
            async throws
        {
            try await TestEngine.withEngine(options: ["--live-restore"]) { engine, agent in
                #expect(try await agent.deploy(agent.module("web", Self.web())).status == 0)
                let broken =
                    "runtime: docker\nimage: box\ncommand: [sh, -c, 'sleep 0.2; exit 1']\nupdate: {monitor: 0s}"
                #expect(try await agent.deploy(agent.module("broken", broken)).status == 0)
                try await agent.eventually("it waits") { try await agent.instance("broken").state == .backoff }
                let before = try await agent.instance("web")
                let restarts = try await agent.instance("broken").restarts
                try await agent.killAgent()
                try await engine.stop()
                try await agent.bootstrap()
                #expect(try await agent.instance("web").state == .unknown)
                try await engine.start()
                try await agent.eventually("it is healthy", within: .seconds(60)) {
                    try await agent.instance("web").state == .healthy
                }
                #expect(try await agent.instance("web").pid == before.pid)
                try await agent.eventually("the other is tried again", within: .seconds(60)) {
                    try await agent.instance("broken").restarts > restarts
                }
            }
        }

        @Test(.timeLimit(.minutes(3))) func `containers that no instance has are removed, those of others stay`()
            async throws
        {
            try await TestEngine.withEngine { engine, agent in
                for (name, owner) in [("lost-abc123", agent.data), ("other-abc123", "/somewhere/else")] {
                    let made = try await engine.docker(
                        "create", "--name", name, "--label", "orch.agent=\(owner)", "--label", "orch.instance=\(name)",
                        "box", "sleep", "1000")
                    #expect(made.status == 0, "\(made)")
                }
                #expect(try await agent.deploy(agent.module("web", Self.web())).status == 0)
                let id = try await agent.instance("web").id.rawValue
                try await agent.eventually("the lost one is gone") {
                    try await Set(engine.docker("ps", "-a", "--format", "{{.Names}}").lines) == [id, "other-abc123"]
                }
                // As after an agent that was killed while it made one.
                try await agent.killAgent()
                #expect(try await engine.docker("rm", "-f", id).status == 0)
                let again = try await engine.docker(
                    "create", "--name", id, "--label", "orch.agent=\(agent.data)", "--label", "orch.instance=\(id)",
                    "box",
                    "sleep", "1000")
                #expect(again.status == 0, "\(again)")
                try await agent.bootstrap()
                try await agent.eventually("it is healthy") { try await agent.instance("web").state == .healthy }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `without an engine it is said what to do`() async throws {
            let nowhere = ["DOCKER_HOST": "unix:///nowhere/docker.sock"]
            try await TestAgent.withAgent(environment: nowhere) { agent in
                let refused = try await agent.deploy(agent.module("web", Self.web()))
                #expect(refused.status == 9)
                #expect(refused.errors.contains("/nowhere/docker.sock"), "\(refused)")
                #expect(refused.errors.contains("DOCKER_HOST"), "\(refused)")
            }
        }
    }
}
