import OrchModel

/// A page of the web interface: parts in an order, most of which change while it is looked at.
protocol Page: Sendable {
    var title: String { get }
    /// Which entry of the menu leads here.
    var menu: Menu { get }
    /// The parts that stay as they were sent, such as a form that somebody fills in.
    var still: Set<String> { get }
    /// Whether its figures move although nothing happens.
    var showsFigures: Bool { get }
    /// How often it is made anew because what it shows changes without an event; `nil` where there are events.
    var pace: Duration? { get }

    /// - Throws: `notFound` for what is not there (any more).
    func parts(_ view: PageView) async throws -> [PagePart]
    /// Those that are not left as they were sent.
    func livingParts(_ view: PageView) async throws -> [PagePart]
}

extension Page {
    var still: Set<String> { [] }
    var showsFigures: Bool { false }
    var pace: Duration? { nil }

    func livingParts(_ view: PageView) async throws -> [PagePart] {
        try await parts(view).filter { !still.contains($0.id) }
    }
}

/// The menu of the web interface.
enum Menu: String, CaseIterable {
    case overview = "/"
    case deploy = "/Deployment_Interface"
    case instances = "/Service_Instances"
    case logs = "/Logs"
    case repository = "/Repository"
    case automation = "/Schedules_and_Notifications"
    case documents = "/Documents"
    case requests = "/Requests"

    var title: String {
        switch self {
        case .overview: "Overview"
        case .deploy: "Deploy"
        case .instances: "Instances"
        case .logs: "Logs"
        case .repository: "Repository"
        case .automation: "Schedules & alerts"
        case .documents: "Documents"
        case .requests: "Requests"
        }
    }
}

/// What a page is made with: whom it asks, and for whom it is.
struct PageView: Sendable {
    let plane: any ControlPlane
    let activity: ActivityHistory
    let templates: Templates
    let requestToken: String

    /// - Parameter template: its outermost element has the part's id.
    func part(_ id: String, _ template: String, _ fields: Fields) -> PagePart {
        PagePart(
            id: id,
            html: templates.render(template, fields.merging(["id": id, "token": requestToken]) { _, own in own }))
    }
}
