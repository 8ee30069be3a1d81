import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

/// All integration tests: they run the real programs, one after the other, each with an agent and a data directory of its own.
@Suite(.serialized) struct Integration {}

/// What a program that ran has left.
struct Outcome: Sendable, CustomStringConvertible {
    var status: Int32
    var output: String
    var errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }
    var description: String { "status \(status)\n\(output)\(errors)" }

    func json<Value: Decodable>(_: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(output.utf8))
    }
}

/// An agent in a folder of its own. ``withAgent(options:_:)`` takes all of it away again.
final class TestAgent: Sendable {
    let folder: String
    let options: [String]
    private let environment: [String: String]
    var data: String { "\(folder)/data" }

    /// Where the programs lie that this test was built with.
    static let programs: String = {
        var folder = Files.parent(of: Files.canonical(CommandLine.arguments[0]) ?? "")
        while !Files.exists("\(folder)/orch-shim"), folder != "/" { folder = Files.parent(of: folder) }
        return folder
    }()

    static let examples = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined() + "/examples"

    private init(options: [String], environment: [String: String] = [:]) {
        var template = Array("/tmp/orch-it-XXXXXX".utf8CString)
        folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        // Programs that run as another user look for their files below.
        chmod(folder, 0o755)
        self.options = options
        self.environment = environment
    }

    /// Starts an agent, runs `body`, and leaves nothing behind, whatever happens.
    ///
    /// - Parameter environment: of the agent and of all commands.
    static func withAgent(
        options: [String] = [], environment: [String: String] = [:], _ body: (TestAgent) async throws -> Void
    ) async throws {
        let agent = TestAgent(options: options, environment: environment)
        do {
            try await agent.bootstrap()
            try await body(agent)
        } catch {
            Issue.record("\(error)\n\((try? Files.readText(AgentPaths.agentLog(in: agent.data))) ?? "")")
        }
        await agent.end()
    }

    /// Without an agent: for commands that must work when there is none.
    static func withoutAgent(_ body: (TestAgent) async throws -> Void) async throws {
        let agent = TestAgent(options: [])
        do { try await body(agent) } catch { Issue.record("\(error)") }
        await agent.end()
    }

    func bootstrap() async throws {
        let outcome = try await orch(["bootstrap"] + options)
        try #require(outcome.status == 0, "\(outcome)")
    }

    private func end() async {
        _ = try? await orch("shutdown", "--stop-instances", "--timeout", "20s")
        if let pid { kill(pid, SIGKILL) }
        // A test that failed half-way may have left instances without an agent.
        for instance in Files.list("\(data)/instances") {
            if let socket = try? Sockets.connect(in: "\(data)/instances/\(instance)", "shim.sock") {
                try? socket.write(Array("stop 9 0\n".utf8))
            }
        }
        Files.removeTree(folder)
    }

    // MARK: The agent's process

    /// The process that holds the data directory.
    var pid: pid_t? {
        (try? Files.readText(AgentPaths.lock(in: data))).flatMap { Int32($0.filter(\.isNumber)) }.flatMap {
            kill($0, 0) == 0 ? $0 : nil
        }
    }

    /// Ends the agent as a crash would, and waits until it is gone.
    func killAgent() async throws {
        let pid = try #require(pid)
        kill(pid, SIGKILL)
        #expect(await runBlocking(name: "wait") { Programs.waitForEnd(of: pid, timeout: .seconds(10)) })
    }

    // MARK: Programs

    func orch(_ words: String..., environment: [String: String] = [:], timeout: TimeSpan = .seconds(60)) async throws
        -> Outcome
    {
        try await orch(words, environment: environment, timeout: timeout)
    }

    func orch(_ words: [String], environment: [String: String] = [:], timeout: TimeSpan = .seconds(60)) async throws
        -> Outcome
    {
        try await run(
            ["\(Self.programs)/orch"] + words,
            environment: environment.merging(["ORCH_DATA_DIR": data]) { first, _ in first }, timeout: timeout)
    }

    /// Runs a program to its end and keeps what it prints.
    func run(_ words: [String], environment: [String: String] = [:], timeout: TimeSpan = .seconds(60)) async throws
        -> Outcome
    {
        try await Self.execute(
            words, environment: self.environment.merging(environment) { $1 }, in: folder, timeout: timeout)
    }

    /// The same in any folder, which gets the output for a moment.
    static func execute(
        _ words: [String], environment: [String: String], in folder: String, timeout: TimeSpan = .seconds(60)
    ) async throws -> Outcome {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        let program = try Programs.find(words[0], path: path, in: folder)
        let variables = ["PATH": path, "HOME": folder, "TERM": "dumb"].merging(environment) { $1 }
        let (out, err) = (
            "\(folder)/out.\(UInt64.random(in: 0 ... .max))", "\(folder)/err.\(UInt64.random(in: 0 ... .max))"
        )
        let status = try await runBlocking(name: "run") {
            Result {
                var launch = ProgramLaunch(
                    program: program, arguments: words, environment: variables.map { "\($0.key)=\($0.value)" },
                    workdir: folder)
                let output = try Descriptor(opening: out, .create)
                let errors = try Descriptor(opening: err, .create)
                launch.stdio = (nil, output.number, errors.number)
                return try launch.run(timeout: timeout)
            }
        }.get()
        let outcome = Outcome(
            status: try #require(status, "\(words) took longer than \(timeout)"), output: try Files.readText(out),
            errors: try Files.readText(err))
        Files.remove(out)
        Files.remove(err)
        return outcome
    }

    /// Starts a program that goes on, until ``end(_:)``.
    ///
    /// - Parameter output: the file that gets what it prints.
    func start(_ words: [String], output: String) throws -> pid_t {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        let file = try Descriptor(opening: output, .create)
        var launch = ProgramLaunch(
            program: try Programs.find(words[0], path: path, in: folder), arguments: words,
            environment: ["PATH=\(path)", "HOME=\(folder)"], workdir: folder)
        launch.stdio = (nil, file.number, file.number)
        return try launch.start()
    }

    func end(_ program: pid_t) {
        kill(program, SIGKILL)
        var status: Int32 = 0
        while waitpid(program, &status, 0) < 0 && errno == EINTR {}
    }

    // MARK: Modules and instances

    /// Writes a module file and gives its path.
    func module(_ name: String, _ yaml: String) throws -> String {
        let path = "\(folder)/\(name).yaml"
        try Files.replace(path, with: "name: \(name)\n\(yaml)\n")
        return path
    }

    func deploy(_ path: String, _ options: String...) async throws -> Outcome {
        try await orch(["deploy", path] + options)
    }

    func instances(_ service: String? = nil) async throws -> [InstanceView] {
        try await orch(["instances"] + (service.map { [$0] } ?? []) + ["-o", "json"]).json()
    }

    func instance(_ service: String) async throws -> InstanceView {
        let all = try await instances(service)
        return try #require(all.first, "no instance of \(service)")
    }

    /// Waits until something is so; the next look comes with the agent's next event or shortly after.
    func eventually(_ what: String, within span: TimeSpan = .seconds(20), _ condition: () async throws -> Bool)
        async throws
    {
        let deadline = ContinuousClock.now + span.duration
        while try await !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("not within \(span): \(what)\n\(try await orch("instances", "-o", "wide"))")
                throw OrchError(.timedOut, what)
            }
            _ = try? await orch("events", "-n", "1")
        }
    }

    func logLines(_ words: String...) async throws -> [LogLine] {
        let outcome = try await orch(["logs", "-o", "jsonl"] + words)
        try #require(outcome.status == 0, "\(outcome)")
        return try outcome.lines.map { try JSONDecoder().decode(LogLine.self, from: Data($0.utf8)) }
    }

    /// Programs that run for an instance: the ones in its environment.
    func processes(of instance: String) -> [pid_t] {
        Files.list("/proc").compactMap { Int32($0) }.filter { pid in
            ((try? Files.read("/proc/\(pid)/environ")) ?? []).split(separator: 0).contains {
                $0.elementsEqual("ORCH_INSTANCE_ID=\(instance)".utf8)
            }
        }
    }
}
