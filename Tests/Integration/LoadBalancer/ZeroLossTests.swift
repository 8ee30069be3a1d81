import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct ZeroLoss {
        private struct Summary: Decodable {
            var counts: [String: Int]
            var failures: [String]
            var failed: Int
        }

        @Test(.timeLimit(.minutes(6)))
        func `fifty changes under every kind of traffic fail not one request`() async throws {
            try await TestAgent.withAgent { agent in
                let (certificate, key) = try await agent.certificate("shop")
                let port = try agent.freePort()
                func plain(_ version: Int, replicas: Int = 2) throws -> String {
                    try BackendService.module(
                        agent, version: "\(version)", replicas: replicas, endpoint: "port: \(port)",
                        update: "monitor: 200ms, strategy: \(version % 7 == 3 ? "blue-green" : "rolling")")
                }
                func secure(_ version: Int) throws -> String {
                    try BackendService.module(
                        agent, "safe", version: "\(version)",
                        endpoint: "tls: {certificate: \(certificate), key: \(key)}")
                }
                #expect(try await agent.deploy(plain(1)).status == 0)
                #expect(try await agent.deploy(secure(1)).status == 0)
                let tls = try await agent.port("safe")
                let stop = "\(agent.folder)/stop"
                async let traffic = agent.run(
                    ["python3", "\(BackendService.program)/traffic.py", "\(port)", "\(tls)", stop],
                    timeout: .seconds(280))
                async let load = agent.run(
                    ["sh", "-c", "until test -e \(stop); do wrk -t 1 -c 8 -d 3s http://127.0.0.1:\(port)/; done"],
                    timeout: .seconds(280))
                async let fresh = agent.run(
                    [
                        "sh", "-c",
                        "until test -e \(stop); do wrk -t 1 -c 2 -d 3s -H 'Connection: close' http://127.0.0.1:\(port)/; done",
                    ], timeout: .seconds(280))
                for change in 0..<50 {
                    let outcome: Outcome
                    switch change % 10 {
                    case 0, 3, 6: outcome = try await agent.deploy(plain(change + 2))
                    case 1: outcome = try await agent.orch("scale", "shop", "4")
                    case 4: outcome = try await agent.orch("scale", "shop", "2")
                    case 2: outcome = try await agent.orch("restart", "shop")
                    case 5: outcome = try await agent.orch("rollback", "shop")
                    case 7:
                        _ = try await agent.certificate("shop")
                        outcome = try await agent.deploy(secure(change))
                    case 8: outcome = try await agent.orch("restart", agent.instance("shop").id.rawValue)
                    default:
                        outcome = try await agent.deploy(
                            BackendService.module(
                                agent, version: "bad\(change)", replicas: 2, env: "CRASH: 1", endpoint: "port: \(port)")
                        )
                    }
                    #expect(outcome.status == (change % 10 == 9 ? 8 : 0), "change \(change): \(outcome)")
                }
                try Files.replace(stop, with: "")
                let summary = try await traffic.json(Summary.self)
                #expect(summary.failed == 0, "\(summary.failures)")
                for way in [
                    "get", "post", "chunked post", "tls", "slow", "one each", "download", "events", "websocket",
                ] {
                    #expect(summary.counts[way, default: 0] > 0, "\(way) was never used: \(summary.counts)")
                }
                #expect(summary.counts["websocket ended properly", default: 0] > 0)
                for run in [try await load, try await fresh] {
                    #expect(run.output.contains("requests in"), "\(run)")
                    #expect(!run.output.contains("Socket errors") && !run.output.contains("Non-2xx"), "\(run)")
                }
                let health = try await agent.service("shop")
                #expect(health.traffic?.failures == 0)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `an instance that ignores SIGTERM is killed, and no request notices`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let stubborn = try BackendService.module(agent, env: "IGNORE_TERM: 1", more: "")
                #expect(try await agent.deploy(stubborn).status == 0)
                let port = try await agent.port("shop")
                async let load = agent.run(["wrk", "-t", "1", "-c", "4", "-d", "6s", "http://127.0.0.1:\(port)/"])
                #expect(try await agent.deploy(BackendService.module(agent, version: "2")).status == 0)
                let run = try await load
                #expect(!run.output.contains("Socket errors") && !run.output.contains("Non-2xx"), "\(run)")
                #expect(try await agent.instances("shop").map(\.version) == ["2"])
            }
        }

        @Test(.timeLimit(.minutes(6)))
        func `the agent is killed in the middle of a hundred deploys, and each ends as if nothing had happened`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                func module(_ version: Int) throws -> String {
                    try agent.module(
                        "quick",
                        "version: \"\(version)\"\ncommand: redis-server --port ${PORT} --save ''\nreplicas: 2\nports: [{name: redis}]\nhealth: {type: tcp, interval: 100ms}\nupdate: {monitor: 50ms}"
                    )
                }
                #expect(try await agent.deploy(module(0)).status == 0)
                let address = try await agent.address("quick")
                for round in 1...100 {
                    let started = try await agent.deploy(module(round), "--detach", "-o", "name")
                    try #require(started.status == 0, "\(started)")
                    // A random moment between the first step and the last: any is right, so nothing is waited for here.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...250)))
                    try await agent.killAgent()
                    try await agent.bootstrap()
                    let id = started.output.split(separator: "\n")[0]
                    let ended = try await agent.orch("wait", String(id))
                    #expect([0, 8].contains(ended.status), "round \(round): \(ended)")
                    let instances = try await agent.instances("quick")
                    #expect(
                        instances.count == 2 && instances.allSatisfy { $0.state == .healthy },
                        "round \(round): \(instances)")
                    #expect(Set(instances.map(\.version)).count == 1, "round \(round)")
                    #expect(ended.status == 8 || instances[0].version == "\(round)", "round \(round)")
                    #expect(try await agent.address("quick") == address)
                }
                // A shim for each, and none that was forgotten.
                let shims = Files.list("/proc").compactMap { pid_t($0) }.filter {
                    Files.canonical("/proc/\($0)/cwd")?.hasPrefix("\(agent.data)/instances/") ?? false
                }
                #expect(shims.count == 2)
            }
        }
    }
}
