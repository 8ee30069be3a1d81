import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let status = CommandSpec(
        name: "status", summary: "Show the agent, its broker and its counts",
        examples: ["orch status", "orch status -o json"]
    ) { invocation in
        let status: AgentStatus = try await invocation.client().call("GET", "/v1/status")
        let console = invocation.console
        try console.show(status, name: String(status.pid)) {
            [
                "agent      \(status.version), pid \(status.pid), up \((Timestamp.now() - status.startedAt).short)",
                "data       \(status.dataDirectory)",
                "broker     \(status.broker), \(status.brokerState)",
                "services   \(status.services)",
                "instances  \(status.instances), \(status.instancesUp) up",
                "spool      \(ByteSize(bytes: status.spoolBytes)) wait for the broker",
            ] + status.notices.map { "notice     \($0)" }
        }
        if status.version != OrchVersion.current {
            console.note("notice: the agent is of version \(status.version), this orch of \(OrchVersion.current)")
        }
        return 0
    }
}
