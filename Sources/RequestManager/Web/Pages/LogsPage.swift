import OrchModel

/// Topics, their lines as they come, and what they are made of.
struct LogsPage: Page {
    let address: PageAddress
    let title = "Logs"
    let menu = Menu.logs

    /// Lines for whoever has no scripts.
    private static let shownLines = 100
    private static let levels = ["debug", "info", "notice", "warning", "error", "critical"]

    func parts(_ view: PageView) async throws -> [PagePart] {
        let topics = try await view.plane.topics()
        let chosen = await topic(of: topics, view.plane)
        let isKnown = topics.contains { $0.name == chosen }
        let lines = isKnown ? try await view.plane.lines(of: chosen, tail: Self.shownLines) : []
        return [
            view.part(
                "logs", "logs",
                Fields(present: [
                    "topics": topics.map {
                        ["name": $0.name, "records": $0.records, "chosen": $0.name == chosen] as Fields
                    },
                    "topic": chosen, "unknown": !isKnown, "module": address["module"], "instance": address["instance"],
                    "grep": address["grep"], "since": address["since"], "until": address["until"],
                    "levels": Self.levels.map { ["value": $0, "chosen": $0 == address["level"]] as Fields },
                    "lines": lines.filter { address["instance"] == nil || address["instance"] == $0.instance }.map {
                        ["at": $0.at.rfc3339(decimals: 3), "level": $0.level, "text": $0.line] as Fields
                    },
                ]))
        ]
    }

    /// The lines come by themselves.
    func livingParts(_ view: PageView) async throws -> [PagePart] { [] }

    /// The one that was asked for, by its name or by who writes to it; otherwise one of a service.
    private func topic(of topics: [TopicView], _ plane: any ControlPlane) async -> TopicName {
        if let name = address["topic"] { return TopicName(unchecked: name) }
        // The id of an instance begins with the name of its service.
        let module =
            address["module"]
            ?? address["instance"].flatMap { id in
                id.lastIndex(of: "-").map { String(id[..<$0]) }
            }
        if let module {
            let service = await plane.services().first { $0.name.rawValue == module }
            return service?.topic ?? TopicName(unchecked: module)
        }
        return topics.first { !TopicName.reserved.contains($0.name) }?.name ?? .requestManager
    }
}
