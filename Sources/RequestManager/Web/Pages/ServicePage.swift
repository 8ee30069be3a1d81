import OrchModel

/// One service: its instances, its addresses, its versions, and what can be done with it.
struct ServicePage: Page {
    let name: ModuleName
    var title: String { name.rawValue }
    let menu = Menu.instances
    let still: Set<String> = ["log"]
    let showsFigures = true

    private static let shownEvents = 12
    private static let shownEndpoints = 6

    func parts(_ view: PageView) async throws -> [PagePart] {
        guard let service = await view.plane.services().first(where: { $0.name == name }) else {
            throw OrchError(.notFound, "there is no service \(name)")
        }
        let here = "/Services/\(name)"
        let instances = await view.plane.instances().filter { $0.module == name }
        let activity = view.activity[name]
        let deployment = try await view.plane.ongoing(of: service)
        let row = ServiceRow(service, instances, activity, deployment)
        var fields = row.fields
        fields["isWaiting"] = deployment?.state == .waiting
        fields["why"] = row.needsAttention ? try await view.plane.why(name).instances.first?.summary : nil
        fields["addresses"] = Self.pings(service)
        fields["topic"] = service.topic
        if !service.dependsOn.isEmpty {
            fields["dependsOn"] = service.dependsOn.map(\.rawValue).joined(separator: ", ")
        }
        fields["running"] = service.state != .stopped
        fields["here"] = here
        fields["rows"] = instances.map { InstanceRow(view: $0, history: view.activity).fields(here: here) }
        fields["graphs"] = [
            Graph.fields(activity?.requests, "requests a second", Wording.rate)?.merging(["title": "Requests/s"]) {
                $1
            },
            Graph.fields(activity?.errorLines, "error lines a minute", Wording.rate)?.merging([
                "title": "Error lines/min"
            ]) { $1 },
        ].compactMap(\.self)
        let events = try await view.plane.events(of: name, limit: Self.shownEvents)
        return [
            view.part("service", "service", fields),
            view.part(
                "revisions", "service-revisions", try await Self.revisions(view.plane.history(of: name), here: here)),
            view.part("lately", "events", EventRow.fields(events, heading: "Lately")),
            view.part(
                "log", "log-view",
                [
                    "heading": "Its log", "query": "module=\(name.rawValue.percentEncoded)",
                    "lines": [Fields](),
                ]),
        ]
    }

    /// The addresses that can be called.
    static func pings(_ service: ServiceView) -> [Fields] {
        let own = service.addresses.map { ["address": $0, "isService": true, "link": $0.hasPrefix("http")] as Fields }
        return own
            + service.endpoints.prefix(Self.shownEndpoints).map {
                ["address": $0, "isService": false, "link": false] as Fields
            }
    }

    private static func revisions(_ history: HistoryView, here: String) -> Fields {
        let ongoing = history.deployments.filter { !$0.state.isFinal }.map(\.toRevision)
        return [
            "module": history.module, "here": here,
            "revisions": history.revisions.sorted { $0.number > $1.number }.map { revision in
                [
                    "number": revision.number, "version": revision.version, "at": Wording.time(revision.deployedAt),
                    "isTarget": revision.isTarget, "canReturn": !revision.isTarget && revision.hasHeld,
                    "isOngoing": ongoing.contains(revision.number),
                    "hasFailed": !revision.hasHeld && !ongoing.contains(revision.number),
                ] as Fields
            },
            "deployments": history.deployments.prefix(10).map { RolloutPage.row($0) },
        ]
    }
}
