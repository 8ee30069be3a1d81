import Glibc
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let bootstrap = CommandSpec(
        name: "bootstrap", summary: "Start an agent in the background and wait until it is ready",
        discussion: "Does nothing when an agent is there already.",
        options: AgentOptions.all + [
            OptionSpec("timeout", nil, .duration, "SPAN", "How long to wait; 30s by default.")
        ],
        examples: ["orch bootstrap", "orch bootstrap --data-dir ./state --http-port 7070"]
    ) { invocation in
        let client = AgentClient(door: .socket(path: try invocation.socket))
        if let status = try? await client.call("GET", "/v1/status", as: AgentStatus.self) {
            invocation.console.note("an agent is running already (pid \(status.pid), \(status.dataDirectory))")
            return 0
        }
        let timeout = try invocation.duration("timeout") ?? .seconds(30)
        let log = AgentPaths.agentLog(in: try invocation.dataDirectory)
        let pid = try launchAgent(invocation, log: log)
        let deadline = ContinuousClock.now + timeout.duration
        while true {
            if let status = try? await client.call("GET", "/v1/status", as: AgentStatus.self) {
                for notice in status.notices { invocation.console.note("notice: \(notice)") }
                try invocation.console.show(status, name: String(status.pid)) {
                    invocation.console.isQuiet
                        ? []
                        : [
                            "agent ready: pid \(status.pid), data in \(status.dataDirectory), broker at \(status.broker)"
                        ]
                }
                return 0
            }
            var end: Int32 = 0
            if waitpid(pid, &end, WNOHANG) == pid {
                let text = (try? Files.readText(log))?.split(separator: "\n").last.map(String.init)
                let status = end & 0x7f == 0 ? end >> 8 & 0xff : 1
                invocation.console.error(
                    "the agent did not start: \(text?.removingPrefix("orch-agent: ") ?? "\(log) may tell why")")
                return status == 0 ? 1 : status
            }
            guard ContinuousClock.now < deadline else {
                throw OrchError(.timedOut, "the agent is not ready after \(timeout): \(log) may tell why")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func launchAgent(_ invocation: Invocation, log: String) throws -> pid_t {
        let data = try invocation.dataDirectory
        do throws(SystemError) {
            try Files.makeFolder(data, mode: 0o711)
        } catch {
            throw OrchError(
                .notAllowed,
                "the data directory \(data) cannot be made (\(error.reason)): choose another with --data-dir",
                cause: error)
        }
        let program = Files.sibling("orch-agent")
        var launch = ProgramLaunch(
            program: program, arguments: ["orch-agent"] + (try AgentOptions.arguments(invocation)),
            environment: invocation.environment.map { "\($0.key)=\($0.value)" }, workdir: "/")
        do throws(SystemError) {
            let output = try Descriptor(opening: log, .create)
            launch.stdio = (nil, output.number, output.number)
            return try launch.start()
        } catch {
            throw OrchError(.failed, "\(program) cannot be started: \(error)", cause: error)
        }
    }
}

extension String {
    fileprivate func removingPrefix(_ prefix: String) -> String {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
    }
}
