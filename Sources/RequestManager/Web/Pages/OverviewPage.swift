import OrchModel
import OrchSystem

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
        var rows: [ServiceRow] = []
        for service in services {
            let deployment = try await view.plane.ongoing(of: service)
            rows.append(ServiceRow(service, instances[service.name] ?? [], view.activity[service.name], deployment))
        }
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
        let troubled = rows.count(where: \.needsAttention)
        return [
            "services": rows.count, "isOne": rows.count == 1, "troubled": troubled, "isTroubled": troubled > 0,
            "isOneTroubled": troubled == 1,
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
    /// What is wrong, or waits, unless the state says it.
    private let problem: String?

    /// An instance that was started so often and so lately ends again and again, although it is up between.
    private static let (crashes, crashMemory) = (3, TimeSpan.seconds(60))

    /// - Parameter deployment: the one that goes on.
    init(
        _ view: ServiceView, _ instances: [InstanceView], _ activity: ActivityHistory.ServiceActivity?,
        _ deployment: DeploymentView?
    ) {
        self.view = view
        self.activity = activity
        restarts = instances.reduce(0) { $0 + $1.restarts }
        let now = Timestamp.now()
        let isCrashing = instances.contains { $0.restarts >= Self.crashes && $0.since + Self.crashMemory > now }
        let isFailing =
            isCrashing || instances.contains { [.failed, .backoff, .unhealthy, .unknown].contains($0.state) }
        let stands = deployment?.state.standsStill == true ? deployment.map(RolloutPage.words) : nil
        problem = view.problem ?? stands ?? (isCrashing ? "ends again and again" : nil)
        rank =
            switch view.state {
            case .stopped: 3
            case .down, .degraded: 0
            case .deploying: isFailing || stands != nil ? 0 : 1
            case .running, .completed: isFailing || problem != nil ? 0 : 2
            }
    }

    var needsAttention: Bool { rank == 0 }
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
            "replicas": view.replicas,
            "short": view.up < view.replicas && view.state != .stopped && view.state != .completed,
            "problem": problem, "deployment": view.deployment,
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
