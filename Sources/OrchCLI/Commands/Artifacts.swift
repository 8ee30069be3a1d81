import OrchClient
import OrchModel

extension CommandSpec {
    static let artifacts = CommandSpec(
        name: "artifacts", summary: "List what is in the agent's repository",
        operands: [OperandSpec("NAME", optional: true, "Only versions of this artifact.")],
        examples: ["orch artifacts", "orch artifacts shop -o wide"]
    ) { invocation in
        var rows: [ArtifactView] = try await invocation.client().call("GET", "/v1/artifacts")
        if let name = invocation.operands.first { rows = rows.filter { $0.name.rawValue == name } }
        let columns: [Column<ArtifactView>] = [
            Column("NAME") { $0.name.rawValue },
            Column("VERSION") { $0.version.rawValue },
            Column("KIND") { $0.kind.rawValue },
            Column("SIZE") { "\(ByteSize(bytes: $0.size))" },
            Column("PUSHED") { $0.pushedAt.rfc3339(decimals: 0) },
            Column("IN USE") { $0.isInUse ? "yes" : "" },
            Column("DIGEST", wide: true) { $0.digest.rawValue },
            Column("DOWNLOAD", wide: true) { $0.download },
            Column("DESCRIPTION") { $0.description },
        ]
        try invocation.console.list(
            rows, columns, name: { "\($0.name):\($0.version)" }, empty: "no artifacts: 'orch push' brings some")
        return 0
    }
}
