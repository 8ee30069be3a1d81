import OrchClient
import OrchModel

extension CommandSpec {
    static let modules = CommandSpec(
        name: "modules", summary: "List modules that can be deployed by name", examples: ["orch modules"]
    ) { invocation in
        let rows: [ModuleView] = try await invocation.client().call("GET", "/v1/modules")
        let columns: [Column<ModuleView>] = [
            Column("MODULE") { $0.name.rawValue },
            Column("VERSION") { $0.version },
            Column("SOURCE") { $0.source.rawValue },
            Column("DESCRIPTION") { $0.description },
            Column("PATH", wide: true) { $0.path },
        ]
        try invocation.console.list(rows, columns, name: { $0.name.rawValue }, empty: "no modules")
        return 0
    }
}
