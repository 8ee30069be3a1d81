import OrchClient
import OrchModel

extension CommandSpec {
    static let prune = CommandSpec(
        name: "prune", summary: "Free what no artifact, instance or version to go back to needs",
        discussion: "The agent does that by itself every six hours, and whenever an artifact is removed.",
        options: [
            OptionSpec(
                "older-than", nil, .duration, "SPAN",
                "Leave what came since then, as somebody may be about to name it; 1h by default.")
        ],
        examples: ["orch prune", "orch prune --older-than 0s"]
    ) { invocation in
        var query: [(String, String)] = []
        if let span = try invocation.duration("older-than") {
            query.append(("older_than", String(span.nanoseconds / 1_000_000_000)))
        }
        let freed: PruneView = try await invocation.client().call(
            "POST", "/v1/prune", query: query, timeout: .seconds(600))
        try invocation.console.show(freed, name: String(freed.bytes)) {
            ["freed \(ByteSize(bytes: freed.bytes)) in \(freed.blobs) blobs"]
        }
        return 0
    }
}
