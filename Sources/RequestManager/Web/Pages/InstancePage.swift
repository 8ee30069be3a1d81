import OrchModel

/// One instance: why it is as it is, what it uses, and its log beside it.
struct InstancePage: Page {
    let id: InstanceID
    var title: String { id.rawValue }
    let menu = Menu.instances
    let still: Set<String> = ["log"]
    let showsFigures = true

    func parts(_ view: PageView) async throws -> [PagePart] {
        let answer = try await view.plane.why(id)
        guard let why = answer.instances.first else { throw OrchError(.notFound, "there is no instance \(id)") }
        let activity = view.activity[id]
        let row = InstanceRow(view: why.instance, history: view.activity)
        var fields = row.fields(here: "\(Menu.instances.rawValue)/\(id)")
        fields["instance"] = id
        fields["summary"] = why.summary
        fields["advice"] = why.advice
        fields["limits"] = why.limits
        fields["hasAdvice"] = !why.advice.isEmpty || !why.limits.isEmpty
        if !why.listening.isEmpty { fields["listening"] = why.listening.map(String.init).joined(separator: ", ") }
        fields["check"] = why.checks.map(Self.fields)
        fields["graphs"] = [
            Graph.fields(activity?.processor, "processor", top: 0.1, Wording.cores)?.merging(["title": "Processor"]) {
                $1
            },
            Graph.fields(activity?.memory, "memory", Wording.bytes)?.merging(["title": "Memory"]) { $1 },
        ].compactMap(\.self)
        return [
            view.part("instance", "instance", fields),
            view.part("timeline", "events", EventRow.fields(why.timeline, heading: "What happened to it")),
            view.part(
                "log", "log-view",
                [
                    "heading": "Its log", "query": "instance=\(id.rawValue.percentEncoded)",
                    "lines": why.lastLines.map { ["text": $0] },
                ]),
        ]
    }

    static func fields(_ check: CheckView) -> Fields {
        Fields(present: [
            "what": check.check, "passes": check.passes, "failures": check.failures, "failure": check.lastFailure,
            "at": check.lastAt.map(Wording.time),
        ])
    }
}
