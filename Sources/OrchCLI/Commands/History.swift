import OrchClient
import OrchModel

extension CommandSpec {
    static let history = CommandSpec(
        name: "history", summary: "Show what became of a service: its deployments and revisions",
        discussion: "The newest first. The revisions that are kept are those 'orch rollback' can go back to.",
        operands: [OperandSpec("SERVICE", names: .modules, "Name of a service.")],
        options: [OptionSpec("limit", "n", .integer(1...10_000), "COUNT", "So many deployments; 20 by default.")],
        examples: ["orch history shop", "orch history shop -o json"]
    ) { invocation in
        let name = try ModuleName(checking: invocation.operands[0])
        let query = [("limit", String(try invocation.integer("limit") ?? 20))]
        let history: HistoryView = try await invocation.client().call(
            "GET", "/v1/services/\(name)/history", query: query)
        let console = invocation.console
        guard console.format == .table || console.format == .wide else {
            try console.show(history, name: name.rawValue) { [] }
            return 0
        }
        let revisions: [Column<RevisionView>] = [
            Column("REVISION") { "\($0.number)\($0.isTarget ? " *" : "")" },
            Column("VERSION") { $0.version },
            Column("HELD") { $0.hasHeld ? "yes" : "no" },
            Column("DEPLOYED") { $0.deployedAt.rfc3339(decimals: 0) },
        ]
        try console.list(history.revisions, revisions, name: { String($0.number) }, empty: "no revisions")
        try console.print("")
        let deployments: [Column<DeploymentView>] = [
            Column("DEPLOYMENT") { $0.id.rawValue },
            Column("KIND") { $0.kind.rawValue },
            Column("REVISION") { "\($0.fromRevision.map { "\($0) -> " } ?? "")\($0.toRevision)" },
            Column("STATE", style: { $0.state.style }) { $0.state.rawValue },
            Column("STARTED") { $0.startedAt.rfc3339(decimals: 0) },
            Column("TOOK") { row in row.finishedAt.map { ($0 - row.startedAt).short } ?? "-" },
            Column("REASON") { $0.reason },
        ]
        try console.list(history.deployments, deployments, name: { $0.id.rawValue }, empty: "no deployments")
        return 0
    }
}

extension DeploymentView.State {
    fileprivate var style: Console.Style? {
        switch self {
        case .succeeded: .green
        case .failed, .rolledBack, .rollingBack: .red
        case .paused, .waiting: .yellow
        case .running: .cyan
        }
    }
}
