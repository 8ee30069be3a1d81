import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct Deployments {
        private let site =
            "command: python3 -m http.server ${PORT} --bind 127.0.0.1\nports: [{name: http}]\nhealth: {type: http}"

        @Test(.timeLimit(.minutes(2)))
        func `the scheduler is deployed, listed and logging, and kcat reads the requests`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("deploy", "scheduler").status == 0)
                let instance = try await agent.instance("scheduler")
                #expect(instance.state == .healthy)
                #expect(instance.topic.rawValue == "Scheduler")
                let log = try await agent.orch("logs", "--topic", "Request_Manager")
                #expect(log.output.contains("POST /v1/deployments"))
                let broker = try await agent.orch("status", "-o", "json").json(AgentStatus.self).broker
                let read = try await agent.run([
                    "kcat", "-b", broker, "-C", "-t", "Request_Manager", "-o", "beginning", "-e", "-q",
                ])
                #expect(read.output.contains("POST /v1/deployments"), "\(read)")
            }
        }

        @Test(.timeLimit(.minutes(2)), arguments: ["site", "nginx", "redis", "noisy", "job"])
        func `an example runs`(name: String) async throws {
            try await TestAgent.withAgent { agent in
                let outcome = try await agent.deploy("\(TestAgent.examples)/\(name)")
                #expect(outcome.status == 0, "\(outcome)")
                let instance = try await agent.instance(name)
                #expect(name == "job" ? instance.state == .completed : instance.state.isUp)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `the example that crashes is told as such, with its last words`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let outcome = try await agent.deploy("\(TestAgent.examples)/crashing")
                #expect(outcome.status == 9)
                #expect(outcome.errors.contains("no database"), "\(outcome)")
                #expect(try await agent.instance("crashing").state == .failed)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a broken version is rolled back, the old process serves on, and the status says so`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("site", site)).status == 0)
                let before = try await agent.instance("site")
                let broken = try agent.module(
                    "site",
                    "version: two\ncommand: [sh, -c, 'echo cannot bind; exit 1']\nports: [{name: http}]\nhealth: {type: http}"
                )
                let outcome = try await agent.deploy(broken)
                #expect(outcome.status == 8, "\(outcome)")
                #expect(outcome.errors.contains("cannot bind"))
                let after = try await agent.instances("site")
                #expect(after.map(\.pid) == [before.pid])
                #expect(after.map(\.version) == [before.version])
                #expect(try await agent.orch("services").output.contains("running"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `an update replaces the instances one after the other`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("site", site + "\nreplicas: 3")).status == 0)
                let before = Set(try await agent.instances("site").map(\.id))
                #expect(try await agent.deploy(agent.module("site", site + "\nreplicas: 3\nversion: two")).status == 0)
                let after = try await agent.instances("site")
                #expect(after.count == 3)
                #expect(after.allSatisfy { $0.version == "two" && $0.state == .healthy && !before.contains($0.id) })
                #expect(try await agent.orch("restart", "site").status == 0)
                #expect(try await Set(agent.instances("site").map(\.id)).isDisjoint(with: after.map(\.id)))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `plan tells what would change, by its status too`() async throws {
            try await TestAgent.withAgent { agent in
                let path = try agent.module("site", site + "\nenv: {SECRET: hunter2}")
                let new = try await agent.orch("plan", path)
                #expect(new.status == 1)
                #expect(!new.output.contains("hunter2"))
                #expect(try await agent.deploy(path).status == 0)
                #expect(try await agent.orch("plan", path).status == 0)
                let changed = try await agent.orch("plan", path, "--replicas", "2")
                #expect(changed.status == 1)
                #expect(changed.output.contains("replicas: 1 -> 2"))
                #expect(try await agent.orch("plan", "nonesuch").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `two deploys of one module at once are a conflict, and a detached one is waited for`() async throws {
            try await TestAgent.withAgent { agent in
                let slow = try agent.module("slow", "command: sleep 1000\nupdate: {monitor: 2s}")
                let first = try await agent.deploy(slow, "--detach")
                #expect(first.status == 0)
                let second = try await agent.deploy(slow, "-e", "A=b")
                #expect(second.status == 6)
                #expect(second.errors.contains("orch wait"))
                #expect(try await agent.orch("wait", first.output.trimmed).status == 0)
                #expect(try await agent.orch("wait", "slow", "--timeout", "1ms").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a wait that takes too long ends with 7, and the deployment goes on`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let slow = try agent.module("slow", "command: sleep 1000\nupdate: {monitor: 3s}")
                #expect(try await agent.deploy(slow, "--timeout", "100ms").status == 7)
                #expect(try await agent.orch("wait", "slow").status == 0)
                #expect(try await agent.instance("slow").state == .running)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `what cannot start is told in one line, with the way out and the right status`() async throws {
            try await TestAgent.withAgent { agent in
                let script = "\(agent.folder)/script"
                try Files.replace(script, with: "#!/bin/sh\n")
                let taken = try Listener()
                let health =
                    "command: sleep 100\nports: [{name: http}]\nhealth: {type: tcp, start_period: 0s}\nupdate: {healthy_timeout: 300ms}"
                let cases: [(String, String, Int32, String)] = [
                    ("missing", "command: no-such-program", 9, "install it"),
                    ("unexecutable", "command: \(script)", 9, "chmod +x"),
                    ("taken", "command: sleep 100\nports: [{name: http, port: \(taken.port)}]", 9, "is taken"),
                    ("never", health, 9, "did not pass within 300ms"),
                    ("nouser", "command: sleep 100\nuser: nobody-such", 9, "there is no user"),
                    ("nodir", "command: sleep 100\nworkdir: /no/such", 9, "does not exist"),
                    ("nofile", "command: sleep 100\nfiles: [{path: a, source: none}]", 9, "cannot be read"),
                    ("escape", "command: sleep 100\nfiles: [{path: ../a}]", 2, "must be relative"),
                    ("alone", "command: sleep 100\ndepends_on: [nothing]", 2, "is not deployed"),
                    ("wrong", "comand: sleep 100", 2, ":2:1: unknown key 'comand': did you mean 'command'?"),
                ]
                for (name, yaml, status, word) in cases {
                    let outcome = try await agent.deploy(agent.module(name, yaml))
                    #expect(outcome.status == status, "\(name): \(outcome)")
                    #expect(outcome.errors.contains(word), "\(name): \(outcome)")
                    #expect(
                        agent.processes(of: try await agent.instances(name).first?.id.rawValue ?? "none").isEmpty,
                        "\(name) left a process")
                }
                #expect(try await agent.orch("deploy", "nonesuch").status == 3)
                #expect(try await agent.orch("deploy", "schedulr").errors.contains("did you mean scheduler?"))
                #expect(try await agent.orch("deploy", "./nonesuch.yaml").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a module waits for what it depends on`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("db", site)).status == 0)
                #expect(try await agent.orch("stop", "db").status == 0)
                let shop = try agent.module("shop", "command: sleep 1000\ndepends_on: [db]\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(shop, "--timeout", "300ms").status == 7)
                #expect(try await agent.instance("shop").reason == "waits for db")
                #expect(try await agent.orch("start", "db").status == 0)
                #expect(try await agent.orch("wait", "shop").status == 0)
                #expect(try await agent.instance("shop").state == .running)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `scale, stop, start and rm do what they say`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("site", site)).status == 0)
                #expect(try await agent.orch("scale", "site", "3").status == 0)
                #expect(try await agent.instances("site").count == 3)
                #expect(try await agent.orch("scale", "site", "1").status == 0)
                #expect(try await agent.instances("site").count == 1)
                let id = try await agent.instance("site").id
                #expect(try await agent.orch("stop", "site").status == 0)
                #expect(agent.processes(of: id.rawValue).isEmpty)
                #expect(try await agent.instance("site").state == .stopped)
                #expect(try await agent.orch("start", "site").status == 0)
                #expect(try await agent.instance("site").id == id)
                #expect(try await agent.orch("rm", "site").status == 0)
                #expect(try await agent.instances().isEmpty)
                try await agent.eventually("the instance's folder is gone") {
                    Files.list("\(agent.data)/instances").isEmpty
                }
                #expect(try await agent.orch("stop", "site").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Ctrl-C stops the waiting and nothing else`() async throws {
            try await TestAgent.withAgent { agent in
                let slow = try agent.module("slow", "command: sleep 1000\nupdate: {monitor: 2s}")
                let script =
                    "\"$0\" deploy \"$1\" & pid=$!; while ! \"$0\" events -n 20 | grep -q instance.started; do :; done; kill -INT $pid; wait $pid"
                let outcome = try await agent.run(
                    ["bash", "-mc", script, "\(TestAgent.programs)/orch", slow],
                    environment: ["ORCH_DATA_DIR": agent.data])
                #expect(outcome.status == 130, "\(outcome)")
                #expect(outcome.errors.contains("no longer waiting"))
                #expect(try await agent.orch("wait", "slow").status == 0)
            }
        }
    }
}

/// Listens at a free port of loopback for as long as it lives.
final class Listener {
    let port: Int
    private let descriptor: Int32

    init() throws {
        descriptor = try retrying("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: in_addr_t(INADDR_LOOPBACK).bigEndian)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try retrying("bind") { bind(descriptor, address, size) }
                try retrying("listen") { listen(descriptor, 1) }
                try retrying("getsockname") { getsockname(descriptor, address, &size) }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}

extension String {
    var trimmed: String { String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()) }
}
