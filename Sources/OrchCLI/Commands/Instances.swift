import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let instances = CommandSpec(
        name: "instances", aliases: ["ps"], summary: "List instances",
        operands: [OperandSpec("SERVICE", optional: true, names: .modules, "Only those of this service.")],
        options: [
            OptionSpec(
                "state", nil, .choice(InstanceState.allCases.map(\.rawValue)), "STATE", "Only those in this state.")
        ],
        examples: ["orch instances", "orch ps shop -o wide", "orch ps -o name --state failed"]
    ) { invocation in
        let query = try invocation.operands.first.map { [("module", try ModuleName(checking: $0).rawValue)] } ?? []
        var rows: [InstanceView] = try await invocation.client().call("GET", "/v1/instances", query: query)
        if let state = try invocation.text("state") { rows.removeAll { $0.state.rawValue != state } }
        let now = Timestamp.now()
        let columns: [Column<InstanceView>] = [
            Column("INSTANCE") { $0.id.rawValue },
            Column("MODULE") { $0.module.rawValue },
            Column("VERSION") { $0.version },
            Column("STATE", style: { $0.state.style }) { $0.state.rawValue },
            Column("PID") { $0.pid.map { String($0) } ?? "-" },
            Column("PORTS") {
                $0.ports.isEmpty
                    ? "-" : $0.ports.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ",")
            },
            Column("RESTARTS") { String($0.restarts) },
            Column("SINCE") { (now - $0.since).short },
            Column("REVISION", wide: true) { String($0.revision) },
            Column("TOPIC", wide: true) { $0.topic.rawValue },
            Column("SERVER", wide: true) { $0.server },
            Column("LOST", wide: true) { String($0.lost) },
            Column("LAST EXIT", wide: true) { $0.exit?.description ?? "-" },
            Column("REASON") { $0.reason },
        ]
        try invocation.console.list(
            rows, columns, name: { $0.id.rawValue }, empty: "no instances: 'orch deploy' makes some")
        return 0
    }
}
