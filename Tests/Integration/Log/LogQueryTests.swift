import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// What `orch logs` and its parts can find, with the real programs.
    @Suite(.serialized) struct LogQueries {
        @Test(.timeLimit(.minutes(2))) func `labels, fields, context and stack traces select as one expects`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let script = #"""
                    import sys, time
                    for i in range(1, 9):
                        print('{"level":"info","user":{"id":%d},"msg":"served"}' % i)
                    print("ERROR it broke\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: x\nINFO fine again")
                    sys.stdout.flush()
                    time.sleep(1000)
                    """#
                try Files.replace(
                    "\(agent.folder)/shop.py",
                    with: script.split(separator: "\n").map { line in
                        line.hasPrefix("                    ") ? line.dropFirst(20) : line[...]
                    }.joined(separator: "\n"))
                let shop = "command: python3 shop.py\nlabels: {team: red}\nupdate: {monitor: 50ms}"
                #expect(try await agent.deploy(agent.module("shop", shop)).status == 0)
                #expect(
                    try await agent.deploy(
                        agent.module(
                            "other", "command: [sh, -c, 'echo other; exec sleep 1000']\nupdate: {monitor: 50ms}")
                    ).status == 0)
                try await agent.eventually("all is there") { try await agent.logLines("shop").count == 13 }
                #expect(try await agent.logLines("--label", "team=red").count == 13)
                #expect(try await agent.logLines("--label", "team=red", "-m", "other").count == 14)
                #expect(try await agent.orch("logs", "--label", "team=blue").status == 3)
                #expect(try await agent.orch("logs", "--label", "team").status == 2)
                #expect(try await agent.logLines("shop", "--field", "user.id=7").map(\.seq) == [7])
                #expect(try await agent.logLines("shop", "--level", "error").map(\.seq) == [9, 10, 11, 12])
                #expect(try await agent.logLines("shop", "--grep", "it broke").map(\.seq) == [9, 10, 11, 12])
                let around = try await agent.logLines("shop", "--field", "user.id=3", "--context", "1")
                #expect(around.map(\.seq) == [2, 3, 4])
                #expect(around.map { $0.context == true } == [true, false, true])

                let analysis: LogAnalysisView = try await agent.orch("logs", "analyze", "shop", "-o", "json").json()
                #expect(analysis.lines == 13)
                #expect(analysis.levels == ["info": 9, "error": 1])
                #expect(analysis.patterns.first?.template == "served")
                #expect(analysis.patterns.first?.count == 8)
                let table = try await agent.orch("logs", "analyze", "shop")
                #expect(table.output.contains("ERROR it broke"), "\(table)")

                let path = "\(agent.folder)/shop.jsonl.gz"
                #expect(try await agent.orch("logs", "export", "shop", "--file", path).status == 0)
                let unpacked = try await agent.run(["zcat", path])
                #expect(
                    try unpacked.lines.map { try JSONDecoder().decode(LogLine.self, from: Data($0.utf8)).seq }
                        == Array(1...13))
                #expect(try await agent.orch("logs", "export", "shop", "--grep", "broke").lines.count == 4)
                #expect(try await agent.orch("logs", "export", "shop", "--file", "/nowhere/x").status == 1)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `following a job ends with its exit status, all lines shown`() async throws
        {
            try await TestAgent.withAgent { agent in
                let job =
                    "command: [sh, -c, 'for i in 1 2 3; do echo step $$i; sleep 0.2; done; echo last; exit 7']\nrestart: {policy: never}\nupdate: {monitor: 10ms}"
                let path = try agent.module("job", job)
                _ = try await agent.orch("deploy", path, "--detach")
                let followed = try await agent.orch("logs", "job", "-f", "--since", "1h")
                #expect(followed.status == 7, "\(followed)")
                #expect(
                    followed.lines.map { $0.split(separator: "|").last.map(String.init) } == [
                        " step 1", " step 2", " step 3", " last",
                    ])
                let id = try await agent.instance("job").id.rawValue
                #expect(try await agent.logLines("--before-exit", id, "-n", "2").map(\.line) == ["step 3", "last"])
                #expect(
                    try await agent.deploy(agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                        .status == 0)
                let running = try await agent.instance("sleeper").id.rawValue
                // It has written nothing, which is no mistake of who asks.
                #expect(try await agent.logLines("sleeper").isEmpty)
                let refused = try await agent.orch("logs", "--before-exit", running)
                #expect(refused.status == 2)
                #expect(refused.errors.contains("has not ended yet"), "\(refused)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `all lines of a job come before its status, however many they are`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let job = "command: [sh, -c, 'seq 60000; exit 3']\nrestart: {policy: never}\nupdate: {monitor: 10ms}"
                _ = try await agent.orch("deploy", agent.module("job", job), "--detach")
                let followed = try await agent.orch("logs", "job", "-f", "--since", "1h")
                #expect(followed.status == 3)
                #expect(followed.lines.count == 60_000)
                #expect(followed.lines.last?.hasSuffix(" 60000") == true)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `following ends with whoever reads it, and does not begin without an agent`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let ticker = "command: [sh, -c, 'while echo tick; do sleep 0.05; done']\nupdate: {monitor: 10ms}"
                #expect(try await agent.deploy(agent.module("ticker", ticker)).status == 0)
                let orch = "\(TestAgent.programs)/orch"
                let first = try await agent.run(
                    ["sh", "-c", "\"$0\" logs ticker -f --since 1h | head -1", orch],
                    environment: ["ORCH_DATA_DIR": agent.data])
                #expect(first.status == 0 && first.lines.count == 1, "\(first)")
                let nobody = try await agent.run(
                    [orch, "logs", "--topic", "Events", "-f"], environment: ["ORCH_DATA_DIR": "\(agent.folder)/none"])
                #expect(nobody.status == 4, "\(nobody)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `bytes that are no text come out as they went in`() async throws {
            try await TestAgent.withAgent { agent in
                try Files.replace(
                    "\(agent.folder)/raw.py",
                    with:
                        "import sys, time; sys.stdout.buffer.write(bytes(b for b in range(256) if b != 10) + b'\\n'); sys.stdout.flush(); time.sleep(1000)"
                )
                #expect(
                    try await agent.deploy(agent.module("raw", "command: python3 raw.py\nupdate: {monitor: 50ms}"))
                        .status
                        == 0)
                try await agent.eventually("it is there") { try await agent.logLines("raw").count == 1 }
                let id = try await agent.instance("raw").id.rawValue
                let out = "\(agent.folder)/raw.out"
                let copy = try await agent.run(
                    ["sh", "-c", "\"$0\" logs -i \(id) > \(out)", "\(TestAgent.programs)/orch"],
                    environment: ["ORCH_DATA_DIR": agent.data])
                #expect(copy.status == 0, "\(copy)")
                #expect(try Files.read(out) == (0...255).filter { $0 != 10 } + [10])
                try await agent.eventually("the file has it too") {
                    ((try? Files.read("\(AgentPaths.logs(in: agent.data))/raw.log")) ?? []).contains(0xff)
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `records of others are read, and their line ends do not break the file's lines`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let address = try await agent.orch("status", "-o", "json").json(AgentStatus.self).broker
                try Files.replace("\(agent.folder)/input", with: "one\\ntwo|three\nlines|")
                let write = try await agent.run(
                    ["kcat", "-b", address, "-P", "-t", "Events", "-D", "|", "-l", "\(agent.folder)/input"])
                #expect(write.status == 0, "\(write)")
                // Whoever may write to the broker may claim anything.
                for absurd in ["seq=9223372036854775807", "at=-9223372036854775808", "at=9223372036854775808"] {
                    let claim = try await agent.run([
                        "kcat", "-b", address, "-P", "-t", "Events", "-k", "Events", "-H", absurd, "-H",
                        "instance=Events", "-l", "\(agent.folder)/input",
                    ])
                    #expect(claim.status == 0, "\(claim)")
                }
                let read = try await agent.logLines("--topic", "Events", "--grep", "^three")
                #expect(read.map(\.line) == ["three\nlines"])
                #expect(try await agent.orch("logs", "--topic", "Events").status == 0)
                #expect(read.first?.seq == 0)
                try await agent.eventually("one line a record") {
                    ((try? Files.readText("\(AgentPaths.logs(in: agent.data))/Events.log")) ?? "").contains(
                        "three\\nlines\n")
                }
            }
        }
    }
}
