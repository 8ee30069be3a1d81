import OrchClient
import OrchModel

extension CommandSpec {
    static let services = CommandSpec(
        name: "services", summary: "List services with their state and addresses",
        examples: ["orch services", "orch services -o json"]
    ) { invocation in
        let rows: [ServiceView] = try await invocation.client().call("GET", "/v1/services")
        let columns: [Column<ServiceView>] = [
            Column("SERVICE") { $0.name.rawValue },
            Column("VERSION") { $0.version },
            Column("STATE", style: { $0.state.style }) { $0.state.rawValue },
            Column("UP") { "\($0.up)/\($0.replicas)" },
            Column("ENDPOINTS") { $0.endpoints.isEmpty ? "-" : $0.endpoints.joined(separator: ",") },
            Column("TOPIC", wide: true) { $0.topic.rawValue },
            Column("REVISION", wide: true) { String($0.revision) },
            Column("DEPLOYMENT", wide: true) { $0.deployment?.rawValue ?? "-" },
        ]
        try invocation.console.list(
            rows, columns, name: { $0.name.rawValue }, empty: "no services: 'orch deploy' makes some")
        return 0
    }
}
