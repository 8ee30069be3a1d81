import OrchModel

/// Events as a list, the newest first.
enum EventRow {
    static func fields(_ events: [Event], heading: String, more: Bool = false) -> Fields {
        ["heading": heading, "events": events.reversed().map(fields), "none": events.isEmpty, "more": more]
    }

    static func fields(_ event: Event) -> Fields {
        Fields(present: [
            "at": Wording.time(event.at), "kind": event.kind, "module": event.module, "instance": event.instance,
            "deployment": event.deployment, "message": event.message, "bad": isBad(event),
            "progress": event.progress.map { ["done": $0.done, "total": $0.total] as Fields },
        ])
    }

    private static let cleanExit = Exit(code: 0, signal: nil, at: Timestamp(seconds: 0)).description
    private static let badEnds = [
        "failed", "unhealthy", "crashed", "exited", "rolled_back", "low", "lost", "down", "gave_up", "expiring", "away",
    ]

    private static func isBad(_ event: Event) -> Bool {
        // A job that has done what it should.
        if event.kind == "instance.exited", event.message == cleanExit { return false }
        return badEnds.contains { event.kind.hasSuffix($0) }
    }
}
