import OrchModel

/// Topics, their lines as they come, and what they are made of.
struct LogsPage: Page {
    let address: PageAddress
    let title = "Logs"
    let menu = Menu.logs
    /// The lines come by themselves.
    let still: Set<String> = ["logs"]

    /// Lines for whoever has no scripts.
    private static let shownLines = 100
    private static let levels = ["debug", "info", "notice", "warning", "error", "critical"]

    func parts(_ view: PageView) async throws -> [PagePart] {
        let topics = try await view.plane.topics()
        let chosen =
            address["topic"] ?? topics.first { !TopicName.reserved.contains($0.name) }?.name.rawValue
            ?? TopicName.requestManager.rawValue
        let known = topics.map(\.name.rawValue)
        let lines =
            known.contains(chosen)
            ? try await view.plane.lines(of: TopicName(checking: chosen), tail: Self.shownLines) : []
        return [
            view.part(
                "logs", "logs",
                Fields(present: [
                    "topics": topics.map {
                        [
                            "name": $0.name, "records": $0.records, "chosen": $0.name.rawValue == chosen,
                        ] as Fields
                    },
                    "topic": chosen, "grep": address["grep"], "since": address["since"], "until": address["until"],
                    "levels": Self.levels.map { ["value": $0, "chosen": $0 == address["level"]] as Fields },
                    "lines": lines.map { line in
                        ["at": line.at.rfc3339(decimals: 3), "level": line.level, "text": line.line] as Fields
                    },
                ]))
        ]
    }
}
