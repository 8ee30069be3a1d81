import OrchModel

/// All services at a glance, what needs attention first.
struct OverviewPage: Page {
    let address: PageAddress
    let title = "Overview"
    let menu = Menu.overview
    let still: Set<String> = ["search"]
    let showsFigures = true

    private static let shownEvents = 12

    func parts(_ view: PageView) async throws -> [PagePart] {
        let (status, services) = (await view.plane.status(), await view.plane.services())
        let instances = Dictionary(grouping: await view.plane.instances(), by: \.module)
        let rows = services.map { ServiceRow($0, instances[$0.name] ?? [], view.activity[$0.name]) }
        let events = try await view.plane.events(of: nil, limit: Self.shownEvents)
        return [
            view.part("figures", "overview-figures", figures(status, rows)),
            view.part(
                "search", "overview-search",
                Fields(present: ["q": address["q"], "sort": address["sort"], "order": address["order"]])),
            view.part("services", "overview-services", table(rows)),
            view.part("lately", "events", EventRow.fields(events, heading: "Lately", more: true)),
        ]
    }

    private func figures(_ status: AgentStatus, _ rows: [ServiceRow]) -> Fields {
        var notes = status.notices
        if status.brokerState != "connected" { notes.append("The broker is \(status.brokerState).") }
        if status.spoolBytes > 1 << 20 {
            notes.append("\(ByteSize(bytes: status.spoolBytes)) of log lines wait for the broker.")
        }
        let troubled = rows.filter { $0.rank < 2 }.count
        return [
            "services": rows.count, "troubled": troubled, "isTroubled": troubled > 0,
            "well": troubled == 0 && !rows.isEmpty,
            "none": rows.isEmpty,
            "instances": status.instances, "up": status.instancesUp,
            "requests": Wording.rate(rows.reduce(0) { $0 + $1.requestRate }),
            "errors": Wording.rate(rows.reduce(0) { $0 + $1.errorLines }), "broker": status.broker,
            "started": Wording.time(status.startedAt), "notes": notes,
        ]
    }

    private func table(_ rows: [ServiceRow]) -> Fields {
        let choice = TableChoice(
            address: address,
            columns: [
                ("name", "Service", false), ("state", "State", false), ("version", "Version", false),
                ("up", "Up", true), ("requests", "Requests/s", true), ("failures", "Failed", true),
                ("p99", "p99", true), ("errors", "Error lines/min", true), ("restarts", "Restarts", true),
            ])
        let found = rows.filter {
            choice.search.isEmpty || $0.view.name.rawValue.contains(choice.search)
                || $0.view.state.rawValue.contains(choice.search)
        }
        let order = found.sorted { ($0.rank, $0.view.name) < ($1.rank, $1.view.name) }
        let sorted = choice.sorted(order) { $0.key(of: $1) }
        return choice.fields(rows: found.count).merging([
            "rows": choice.page(of: sorted).map(\.fields), "none": rows.isEmpty, "found": !found.isEmpty,
            "here": address.text,
        ]) { $1 }
    }
}

/// A service in the overview.
struct ServiceRow {
    let view: ServiceView
    private let restarts: Int
    private let activity: ActivityHistory.ServiceActivity?
    /// What needs attention comes first.
    let rank: Int

    init(_ view: ServiceView, _ instances: [InstanceView], _ activity: ActivityHistory.ServiceActivity?) {
        self.view = view
        self.activity = activity
        restarts = instances.reduce(0) { $0 + $1.restarts }
        let isFailing = instances.contains { [.failed, .backoff, .unhealthy, .unknown].contains($0.state) }
        rank =
            switch view.state {
            case .down: 0
            case .degraded: 0
            case .deploying: isFailing ? 1 : 2
            case .running, .completed: isFailing || view.problem != nil ? 1 : 3
            case .stopped: 4
            }
    }

    var requestRate: Double { activity?.requests.last ?? 0 }
    var errorLines: Double { activity?.errorLines.last ?? 0 }

    func key(of column: String) -> SortKey {
        switch column {
        case "state": .number(Double(rank))
        case "version": .text(view.version)
        case "up": .number(Double(view.up))
        case "requests": .number(requestRate)
        case "failures": .number(activity?.failures.last ?? 0)
        case "p99": .number(view.traffic?.p99 ?? 0)
        case "errors": .number(errorLines)
        case "restarts": .number(Double(restarts))
        default: .text(view.name.rawValue)
        }
    }

    var fields: Fields {
        Fields(present: [
            "name": view.name, "state": view.state.rawValue, "version": view.version, "up": view.up,
            "replicas": view.replicas, "short": view.up < view.replicas && view.state != .stopped,
            "problem": view.problem, "deployment": view.deployment,
            "requests": view.traffic == nil ? nil : Wording.rate(requestRate),
            "graph": Graph.fields(activity?.requests, "requests a second", Wording.rate),
            "failures": activity?.failures.last.map(Wording.percent),
            "failing": (activity?.failures.last ?? 0) > 0,
            "p99": view.traffic?.p99.map(Wording.milliseconds),
            "errors": Wording.rate(errorLines), "hasErrors": errorLines > 0, "restarts": restarts,
            "restarted": restarts > 0,
        ])
    }
}
