import OrchModel

/// Events as a list, the newest first.
enum EventRow {
    static func fields(_ events: [Event], heading: String, more: Bool = false) -> Fields {
        ["heading": heading, "events": events.reversed().map(fields), "none": events.isEmpty, "more": more]
    }

    static func fields(_ event: Event) -> Fields {
        Fields(present: [
            "at": Wording.time(event.at), "kind": event.kind, "module": event.module, "instance": event.instance,
            "deployment": event.deployment, "message": event.message, "bad": isBad(event.kind),
            "progress": event.progress.map { ["done": $0.done, "total": $0.total] as Fields },
        ])
    }

    private static let badEnds = [
        "failed", "unhealthy", "crashed", "exited", "rolled_back", "low", "lost", "down", "gave_up", "expiring", "away",
    ]

    private static func isBad(_ kind: String) -> Bool { badEnds.contains { kind.hasSuffix($0) } }
}
