import Glibc
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let shutdown = CommandSpec(
        name: "shutdown", summary: "End the agent; its instances run on",
        options: [
            OptionSpec("stop-instances", nil, "Stop all instances first."),
            OptionSpec("timeout", nil, .duration, "SPAN", "How long to wait; 1m by default."),
        ],
        examples: ["orch shutdown", "orch shutdown --stop-instances"]
    ) { invocation in
        let client = try invocation.client()
        let timeout = try invocation.duration("timeout") ?? .seconds(60)
        let status: AgentStatus = try await client.call("GET", "/v1/status")
        if try invocation.flag("stop-instances") {
            _ = try await client.call("POST", "/v1/stop-instances", timeout: timeout, as: [String: String].self)
        }
        guard kill(status.pid, SIGTERM) == 0 else {
            throw OrchError(
                .notAllowed, "the agent (pid \(status.pid)) cannot be signalled: \(SystemError.reason(errno))")
        }
        guard Programs.waitForEnd(of: status.pid, timeout: timeout) else {
            throw OrchError(.timedOut, "the agent still runs after \(timeout)")
        }
        invocation.console.note("the agent has ended")
        return 0
    }
}
