import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// The images in `dockerfiles`, and what modules may do with the agent.
    @Suite(.serialized) struct ProductImages {
        @Test(.timeLimit(.minutes(5)), arguments: TestEngine.Kind.allCases)
        func `the scheduler runs from its image, without rights but those that it needs`(kind: TestEngine.Kind)
            async throws
        {
            try await TestEngine.withEngine(kind) { engine, agent in
                let missing = try await agent.orch("deploy", "scheduler", "--runtime", kind.rawValue)
                #expect(missing.status == 3)
                #expect(missing.errors.contains("orch build scheduler"))
                let build = try await agent.orch(
                    "build", "scheduler", "--runtime", kind.rawValue, timeout: .seconds(240))
                #expect(build.status == 0, "\(build)")

                let module = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(module).status == 0)
                let deploy = try await agent.orch("deploy", "scheduler", "--runtime", kind.rawValue)
                #expect(deploy.status == 0, "\(deploy)")
                let scheduler = try await agent.instance("scheduler")
                #expect(scheduler.runtime.rawValue == kind.rawValue)
                let inspect = try await engine.docker(
                    "inspect", "--format", "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}}", scheduler.id.rawValue)
                #expect(inspect.output == "65532:65532 true\n")

                func api(_ words: String...) async throws -> String {
                    let place = "http://agent/v1/modules/scheduler/api/v1/schedules\(words.last ?? "")"
                    let socket = ["--unix-socket", AgentPaths.socket(in: agent.data), place]
                    return try await agent.run(["curl", "-s"] + words.dropLast() + socket).output
                }
                let before = try await agent.instance("sleeper").id
                let put = try await api(
                    "-X", "PUT", "-d", #"{"name":"o","every":"1s","action":"restart","module":"sleeper"}"#, "/o")
                #expect(put.contains("sleeper"), "\(put)")
                try await agent.eventually("the module was restarted") {
                    try await agent.instance("sleeper").id != before
                }
                // Its volume keeps what it knows.
                #expect(try await agent.orch("restart", "scheduler").status == 0)
                #expect(try await api("").contains("sleeper"))
                #expect(try await api("-X", "DELETE", "/o").contains("removed"))

                // By default it is a process, also where its image is there.
                #expect(try await agent.orch("deploy", "scheduler").status == 0)
                #expect(try await agent.instance("scheduler").runtime == .process)
                _ = try await engine.shell("docker volume rm -f orch-scheduler")
            }
        }

        @Test(.timeLimit(.minutes(5)))
        func `the notifier runs from its image, with rules that are applied`() async throws {
            try await TestEngine.withEngine { engine, agent in
                let build = try await agent.orch("build", "action-notification", timeout: .seconds(240))
                #expect(build.status == 0, "\(build)")
                let deploy = try await agent.orch("deploy", "action-notification", "--runtime", "docker")
                #expect(deploy.status == 0, "\(deploy)")
                let file = "\(agent.folder)/rules.yaml"
                try Files.replace(
                    file,
                    with:
                        "channels: [{name: log, type: kafka, topic: Told}]\nrules: [{name: gone, match: {events: [instance.stopped]}}]\n"
                )
                let apply = try await agent.orch("notify", "rules", "apply", file)
                #expect(apply.status == 0, "\(apply)")
                try await agent.eventually("they hold") {
                    try await agent.orch("notify", "channels").output.contains("log")
                }
                let module = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(module).status == 0)
                #expect(try await agent.orch("stop", "sleeper").status == 0)
                let status: AgentStatus = try await agent.orch("status", "-o", "json").json()
                try await agent.eventually("it is told") {
                    try await agent.run([
                        "kcat", "-b", status.broker, "-C", "-t", "Told", "-o", "beginning", "-e", "-q",
                    ]).output.contains("sleeper")
                }
                // Its volume keeps the rules and what it knows.
                let restart = try await agent.orch("restart", "action-notification")
                #expect(restart.status == 0, "\(restart)")
                #expect(try await agent.orch("notify", "history").output.contains("opened"))
                #expect(try await agent.orch("notify", "rules").output.contains("gone"))
                #expect(try await agent.orch("rm", "action-notification").status == 0)
                _ = try await engine.shell("docker volume rm -f orch-notifier")
            }
        }

        @Test(.timeLimit(.minutes(5)), arguments: TestEngine.Kind.allCases)
        func `an image is the same whenever it is built`(kind: TestEngine.Kind) async throws {
            try await TestEngine.withEngine(kind) { engine, agent in
                var digests: [Digest] = []
                for _ in 0..<2 {
                    let build = try await agent.orch("build", "base", "-f", timeout: .seconds(120))
                    #expect(build.status == 0, "\(build)")
                    let all: [ArtifactView] = try await agent.orch("artifacts", "base", "-o", "json").json()
                    digests += all.map(\.digest)
                    _ = try await engine.shell("docker rmi -f orch.local/build/base:latest")
                }
                #expect(digests.count == 2)
                #expect(Set(digests).count == 1)
            }
        }

        @Test(.timeLimit(.minutes(5)))
        func `the agent runs from its image and has the engine run others`() async throws {
            try await TestEngine.withEngine { engine, agent in
                let build = try await agent.orch("build", "deployer", timeout: .seconds(240))
                try #require(build.status == 0, "\(build)")
                let data = "\(agent.folder)/within"
                try Files.makeFolder(data)
                chown(data, 65532, 65532)
                let socket = "\(engine.folder)/engine.sock"
                chmod(engine.folder, 0o755)
                var owner = stat()
                try #require(stat(socket, &owner) == 0)
                let run = try await engine.docker(
                    "run", "-d", "--name", "orch", "--network", "host", "--group-add", "\(owner.st_gid)", "-v",
                    "\(socket):\(socket)",
                    "-v", "\(data):\(data)", "-e", "DOCKER_HOST=unix://\(socket)", "-e", "ORCH_DATA_DIR=\(data)",
                    "orch.local/build/deployer")
                try #require(run.status == 0, "\(run)")
                try await agent.eventually("the agent within is ready") {
                    try await engine.docker("exec", "orch", "orch", "status", "-q").status == 0
                }
                let module = """
                    name: web
                    runtime: docker
                    image: box
                    command: httpd -f -p 8080 -h /www
                    ports: [{name: http, target: 8080}]
                    health: {type: http, interval: 100ms}
                    update: {monitor: 100ms}
                    stop: {grace: 200ms}
                    """
                try Files.replace("\(data)/web.yaml", with: Array(module.utf8), mode: 0o644)
                chown("\(data)/web.yaml", 65532, 65532)
                let deploy = try await engine.docker("exec", "orch", "orch", "deploy", "\(data)/web.yaml")
                #expect(deploy.status == 0, "\(deploy)")
                let ports = try await engine.docker("exec", "orch", "orch", "port", "web", "-o", "name")
                let address = try #require(ports.lines.first)
                #expect(try await agent.run(["curl", "-sf", address]).output == "hello\n")
                let events = try await engine.docker("exec", "orch", "orch", "logs", "--topic", "Events", "-n", "50")
                #expect(events.output.contains("deployment.succeeded"), "\(events)")
                #expect(try await engine.docker("exec", "orch", "orch", "rm", "web").status == 0)
                #expect(try await engine.docker("rm", "-f", "orch").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a module may do with the agent what its file says, and nothing else`() async throws {
            try await TestAgent.withAgent { agent in
                let target = try agent.module("target", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(target).status == 0)
                for access in ["none", "read", "operate"] {
                    let module = try agent.module(
                        access, "command: sleep 1000\napi: \(access)\nupdate: {monitor: 10ms}")
                    #expect(try await agent.deploy(module).status == 0)
                }
                func ask(_ who: String, _ method: String, _ path: String, _ body: String = "") async throws -> String {
                    let request = "curl -s -o /dev/null -w '%{http_code}' -X \(method) --unix-socket $ORCH_SOCKET"
                    let token =
                        "-H \"Authorization: Bearer $(cat $ORCH_TOKEN_FILE)\" -H 'Content-Type: application/json'"
                    let data = body.isEmpty ? "" : "-d '\(body)'"
                    return try await agent.orch(
                        "exec", who, "--", "sh", "-c", "\(request) \(token) \(data) http://agent\(path)"
                    ).output
                }
                #expect(try await ask("read", "GET", "/v1/services") == "200")
                #expect(try await ask("read", "GET", "/v1/logs?topic=target") == "200")
                #expect(try await ask("read", "POST", "/v1/services/target/restart", "{}") == "403")
                #expect(try await ask("operate", "POST", "/v1/services/target/restart", "{}") == "202")
                #expect(try await ask("operate", "POST", "/v1/deployments", #"{"module":"target"}"#) != "403")
                let file = #"{"file":"name: x\ncommand: id"}"#
                #expect(try await ask("operate", "POST", "/v1/deployments", file) == "403")
                #expect(
                    try await ask("operate", "POST", "/v1/deployments", #"{"module":"target","env":{"A":"b"}}"#)
                        == "403")
                let id = try await agent.instance("target").id
                for path in ["/v1/instances/\(id)/exec?command=id", "/v1/artifacts", "/v1/stop-instances", "/v1/prune"]
                {
                    #expect(try await ask("operate", "POST", path, "{}") == "403", "\(path)")
                }
                #expect(try await ask("operate", "GET", "/v1/instances/\(id)/files?path=/etc/passwd") == "403")
                #expect(try await ask("operate", "GET", "/v2/") == "403")
                #expect(try await ask("operate", "DELETE", "/v1/services/target") == "403")

                let door = "\(AgentPaths.door(in: agent.data))/\(AgentPaths.doorSocket)"
                func knock(_ token: String) async throws -> String {
                    try await agent.run([
                        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", door, "-H",
                        "Authorization: Bearer \(token)", "http://agent/v1/services",
                    ]).output
                }
                let reader = try await agent.instance("read").id
                let token = try Files.readText("\(agent.data)/instances/\(reader)/config/orch-token").trimmed
                #expect(try await knock(token) == "200")
                #expect(try await knock("x") == "403")
                #expect(
                    try await knock(
                        token.replacing(reader.rawValue, with: try await agent.instance("operate").id.rawValue))
                        == "403")
                // Tokens outlive the agent, and go with their instance.
                try await agent.killAgent()
                try await agent.bootstrap()
                #expect(try await knock(token) == "200")
                #expect(try await agent.orch("rm", "read").status == 0)
                #expect(try await knock(token) == "403")
                var status = stat()
                let other = try await agent.instance("operate").id
                #expect(stat("\(agent.data)/instances/\(other)/config/orch-token", &status) == 0)
                #expect(status.st_mode & 0o777 == 0o400)
            }
        }
    }
}
