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
            Column("ADDRESS") { $0.addresses.isEmpty ? "-" : $0.addresses.joined(separator: ",") },
            Column("INSTANCES") { $0.endpoints.isEmpty ? "-" : $0.endpoints.joined(separator: ",") },
            Column("REQUESTS", wide: true) { $0.traffic.map { String($0.requests + $0.connections) } ?? "-" },
            Column("ERRORS", wide: true) { $0.traffic.map { String(($0.answers["5xx"] ?? 0)) } ?? "-" },
            Column("P50", wide: true) { milliseconds($0.traffic?.p50) },
            Column("P99", wide: true) { milliseconds($0.traffic?.p99) },
            Column("IN FLIGHT", wide: true) { $0.traffic.map { String($0.inFlight) } ?? "-" },
            Column("TOPIC", wide: true) { $0.topic.rawValue },
            Column("REVISION", wide: true) { String($0.revision) },
            Column("DEPLOYMENT", wide: true) { $0.deployment?.rawValue ?? "-" },
            Column("PROBLEM", style: { _ in .red }) { $0.problem ?? "" },
        ]
        try invocation.console.list(
            rows, columns, name: { $0.name.rawValue }, empty: "no services: 'orch deploy' makes some")
        return 0
    }

    private static func milliseconds(_ seconds: Double?) -> String {
        seconds.map { "\(($0 * 10_000).rounded() / 10)ms" } ?? "-"
    }
}
