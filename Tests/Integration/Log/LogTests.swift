import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct Logs {
        private let talker = """
            command: [sh, -c, 'for i in 1 2 3 4 5; do echo "line $$i"; done; echo "ERROR: broken" >&2; echo "level=debug msg=details"; exec sleep 1000']
            update: {monitor: 50ms}
            """

        @Test(.timeLimit(.minutes(2))) func `lines are selected by tail, pattern, level, time and instance`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(agent.module("talker", talker)).status == 0)
                try await agent.eventually("all lines are there") {
                    try await agent.logLines("-m", "talker").count == 7
                }
                let lines = try await agent.logLines("-m", "talker")
                #expect(Set(lines.map(\.seq)) == Set(1...7))
                #expect(lines.first { $0.line.hasPrefix("ERROR") }?.stream == "stderr")
                #expect(try await agent.logLines("-m", "talker", "--level", "error").map(\.line) == ["ERROR: broken"])
                #expect(try await agent.logLines("talker", "--grep", "line [24]").map(\.line) == ["line 2", "line 4"])
                #expect(try await agent.logLines("-m", "talker", "-n", "2").count == 2)
                #expect(try await agent.logLines("-m", "talker", "-n", "1", "--grep", "line").map(\.line) == ["line 5"])
                #expect(try await agent.logLines("-m", "talker", "--since", "1h").count == 7)
                #expect(try await agent.logLines("-m", "talker", "--until", "1h").isEmpty)
                #expect(try await agent.orch("logs", "--grep", "(").status == 2)
                #expect(try await agent.orch("logs", "--topic", "tlaker").errors.contains("did you mean talker?"))
                let id = try await agent.instance("talker").id.rawValue
                #expect(try await agent.orch("rm", "talker").status == 0)
                #expect(try await agent.logLines("-i", id).count == 7)
                let plain = try await agent.orch("logs", "-i", id, "--timestamps", "--grep", "line 1")
                #expect(plain.output.hasSuffix("Z line 1\n"), "\(plain)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `following goes on over a kill of the agent`() async throws {
            try await TestAgent.withAgent { agent in
                let module = try agent.module(
                    "ticker",
                    "command: [sh, -c, 'i=0; while true; do i=$$((i+1)); echo $$i; sleep 0.02; done']\nupdate: {monitor: 10ms}"
                )
                #expect(try await agent.deploy(module).status == 0)
                let output = "\(agent.folder)/followed"
                var launch = ProgramLaunch(
                    program: "\(TestAgent.programs)/orch",
                    arguments: ["orch", "logs", "-m", "ticker", "-f", "-o", "jsonl", "--since", "1h"],
                    environment: ["ORCH_DATA_DIR=\(agent.data)"])
                let file = try Descriptor(opening: output, .create)
                launch.stdio = (nil, file.number, nil)
                let follower = try launch.start()
                func count() -> Int { ((try? Files.readText(output)) ?? "").split(separator: "\n").count }
                try await agent.eventually("it follows") { count() > 20 }
                try await agent.killAgent()
                try await agent.bootstrap()
                let seen = count()
                try await agent.eventually("it goes on") { count() > seen + 50 }
                kill(follower, SIGTERM)
                var status: Int32 = 0
                while waitpid(follower, &status, 0) < 0 && errno == EINTR {}
                let numbers = try Files.readText(output).split(separator: "\n").compactMap { line in
                    line.range(of: "\"seq\":").flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
                }
                #expect(numbers == Array(1...numbers.count))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a long line comes back whole, and bytes that are no text do no harm`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let script =
                    #"import sys,time; sys.stdout.write("x" * 100000 + "\n"); sys.stdout.flush(); sys.stdout.buffer.write(bytes(range(256)) + b"\n"); sys.stdout.write("end\n"); sys.stdout.flush(); time.sleep(1000)"#
                try Files.replace("\(agent.folder)/long.py", with: script)
                #expect(
                    try await agent.deploy(agent.module("long", "command: python3 long.py\nupdate: {monitor: 50ms}"))
                        .status == 0)
                try await agent.eventually("the end is there") {
                    try await agent.logLines("-m", "long").last?.line == "end"
                }
                let lines = try await agent.logLines("-m", "long")
                #expect(lines.first?.line.count == 100_000)
                #expect(lines.count == 4)
            }
        }

        @Test(.timeLimit(.minutes(3))) func `a burst loses nothing, and a reader that goes away ends quietly`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(
                        agent.module(
                            "burst", "command: [sh, -c, 'seq 1 200000; exec sleep 1000']\nupdate: {monitor: 10ms}")
                    ).status == 0)
                try await agent.eventually("all is shipped", within: .seconds(60)) {
                    try await agent.logLines("-m", "burst", "-n", "1").last?.line == "200000"
                }
                let all = try await agent.orch("logs", "-i", try await agent.instance("burst").id.rawValue)
                #expect(all.lines == (1...200_000).map { String($0) })
                let head = try await agent.run(
                    [
                        "bash", "-c", "\"$0\" logs -m burst | head -n 1; echo ${PIPESTATUS[0]}",
                        "\(TestAgent.programs)/orch",
                    ], environment: ["ORCH_DATA_DIR": agent.data])
                #expect(head.lines.last == "0", "\(head)")
                #expect(head.errors.isEmpty, "\(head)")
                #expect(try await agent.instance("burst").lost == 0)
            }
        }

        @Test(.timeLimit(.minutes(3))) func `an external broker takes the lines, and its absence only delays them`()
            async throws
        {
            try await TestAgent.withoutAgent { base in
                let port = try Listener().port
                let noida = [
                    "start", "--only", "kafka", "--kafka-port", "\(port)", "--host", "127.0.0.1", "--data-dir",
                    "\(base.folder)/noida",
                ]
                let program = try Programs.find(
                    "noida-db", path: getenv("PATH").map { String(cString: $0) } ?? "", in: "/")
                let environment = ["PATH=\(getenv("PATH").map { String(cString: $0) } ?? "")", "HOME=\(base.folder)"]
                let broker = try ProgramLaunch(
                    program: program, arguments: ["noida-db"] + noida, environment: environment
                ).start()
                defer {
                    kill(-broker, SIGKILL)
                    var status: Int32 = 0
                    waitpid(broker, &status, 0)
                }
                try await TestAgent.withAgent(options: ["--kafka", "127.0.0.1:\(port)"]) { agent in
                    let module = try agent.module(
                        "ticker",
                        "command: [sh, -c, 'i=0; while true; do i=$$((i+1)); echo $$i; sleep 0.02; done']\nupdate: {monitor: 10ms}"
                    )
                    #expect(try await agent.deploy(module).status == 0)
                    try await agent.eventually("lines arrive", within: .seconds(40)) {
                        (try? await agent.logLines("-m", "ticker").count) ?? 0 > 50
                    }
                    let lines = try await agent.logLines("-m", "ticker")
                    #expect(lines.map(\.seq) == Array(1...Int64(lines.count)))
                    kill(-broker, SIGSTOP)
                    try await agent.eventually("it is noticed", within: .seconds(90)) {
                        try await agent.orch("status", "-o", "json").json(AgentStatus.self).spoolBytes > 2000
                    }
                    kill(-broker, SIGCONT)
                    let before = lines.count
                    try await agent.eventually("it goes on by itself", within: .seconds(60)) {
                        (try? await agent.logLines("-m", "ticker").count) ?? 0 > before + 200
                    }
                    let all = try await agent.logLines("-m", "ticker")
                    #expect(all.map(\.seq) == Array(1...Int64(all.count)))
                }
            }
        }
    }
}

extension StringProtocol {
    /// Where a text begins, without Foundation.
    func range(of text: String) -> Range<Index>? { ranges(of: text).first }
}
