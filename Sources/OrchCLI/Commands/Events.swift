import FoundationEssentials
import OrchClient
import OrchModel

extension CommandSpec {
    static let events = CommandSpec(
        name: "events", summary: "Show what happened",
        operands: [OperandSpec("SERVICE", optional: true, names: .modules, "Only what concerns this service.")],
        options: [
            OptionSpec("follow", "f", "Go on with events as they happen."),
            OptionSpec("tail", "n", .integer(1...100_000), "COUNT", "Begin with the last so many; 50 by default."),
        ],
        examples: ["orch events -f", "orch events shop -n 5 -o jsonl"]
    ) { invocation in
        var query = [("limit", try invocation.text("tail") ?? "50")]
        if let module = invocation.operands.first {
            query.append(("module", try ModuleName(checking: module).rawValue))
        }
        if try invocation.flag("follow") { query.append(("follow", "true")) }
        let console = invocation.console
        try await invocation.client().stream("/v1/events", query: query) { message in
            guard message.kind == "event" else { return message.kind != "end" }
            let event = try JSONDecoder().decode(Event.self, from: Data(message.data.utf8))
            switch console.format {
            case .json, .jsonl: try console.print(message.data)
            case .yaml: try console.print("---\n" + YAMLText.text(of: Console.value(of: event)))
            case .name: try console.print(event.kind)
            case .table, .wide:
                let subject = event.instance?.rawValue ?? event.module?.rawValue ?? "-"
                try console.print("\(event.at.rfc3339(decimals: 3))  \(event.kind)  \(subject)  \(event.message)")
            }
            return true
        }
        return 0
    }
}
