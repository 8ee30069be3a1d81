import OrchModel

extension CommandSpec {
    static let config = CommandSpec(
        name: "config", summary: "Show settings and where each comes from",
        discussion:
            "A setting is taken from the option, else from its ORCH_ variable, else from the project's file .orch (here or above), else from the user's file ~/.config/orch/config. "
            + "The files hold lines 'name = value', or 'command.name = value' for one command.",
        examples: ["orch config", "ORCH_OUTPUT=json orch config"]
    ) { invocation in
        var rows: [Setting] = []
        for option in GlobalOptions.all where option.name != "help" {
            let found = try invocation.settings.lookUp(option)
            var value = found.values.joined(separator: ",")
            if option.name == "data-dir", value.isEmpty { value = try invocation.dataDirectory }
            if option.name == "socket", value.isEmpty { value = try invocation.socket }
            rows.append(Setting(name: option.name, value: value, source: found.source.description))
        }
        let columns: [Column<Setting>] = [
            Column("NAME") { $0.name }, Column("VALUE") { $0.value.isEmpty ? "-" : $0.value },
            Column("SOURCE") { $0.source },
        ]
        try invocation.console.list(rows, columns, name: { $0.name }, empty: "")
        return 0
    }

    private struct Setting: Codable, Sendable {
        var name: String
        var value: String
        var source: String
    }
}
