import AsyncAlgorithms
import OrchModel
import OrchSystem

/// The web interface: makes pages of what the agent knows. Who may see them was found out before.
package struct WebPages: Sendable {
    private let plane: any ControlPlane
    private let activity: ActivityHistory
    private let templates: Templates

    package init(plane: some ControlPlane, activity: ActivityHistory) throws {
        self.plane = plane
        self.activity = activity
        templates = try Templates()
    }

    /// A whole page.
    ///
    /// - Throws: `notFound` for an address that leads nowhere.
    package func page(at address: PageAddress, for session: Sessions.Session) async throws -> String {
        let page = try Self.page(at: address)
        let parts = try await page.parts(view(session))
        return layout(
            page.title, page.menu, session, live: address.text, content: parts.map(\.html).joined(separator: "\n"))
    }

    /// The parts of a page that are not left as they are.
    package func parts(at address: PageAddress, for session: Sessions.Session) async throws -> [PagePart] {
        try await Self.page(at: address).livingParts(view(session))
    }

    /// The deployment form as it was sent, with what came of it.
    package func deployForm(_ form: DeployForm, _ outcome: DeployForm.Outcome, for session: Sessions.Session)
        async throws
        -> String
    {
        let page = DeployPage(form: form, outcome: outcome)
        let parts = try await page.parts(view(session))
        return layout(page.title, page.menu, session, live: nil, content: parts.map(\.html).joined(separator: "\n"))
    }

    /// Tells of the parts of a page that have changed since it was made, until the task is cancelled or `tell` throws, which is
    /// also asked where none have.
    ///
    /// - Throws: `notFound` when what the page shows is gone.
    package func follow(
        _ address: PageAddress, for session: Sessions.Session, tell: ([PagePart]) async throws -> Void
    ) async throws {
        let page = try Self.page(at: address)
        var live = LiveParts()
        let steps = page.showsFigures ? activity.steps.listen() : AsyncStream { $0.finish() }
        let pace = AsyncTimerSequence(interval: page.pace ?? Self.longestPace, clock: .continuous).map { _ in }
        for await _ in merge(plane.news(), steps, pace) {
            let changed = live.changed(try await page.livingParts(view(session)))
            try await tell(changed)
            // Several changes in a row are shown together.
            try await Task.sleep(for: Self.pause)
        }
    }

    private static let pause = Duration.milliseconds(200)
    /// Events tell of everything else, so that this only makes up for what nobody has thought of.
    private static let longestPace = Duration.seconds(60)

    /// - Parameter next: where to go on once signed in.
    package func signIn(next: String, refusal: String?) -> String {
        layout(
            "Sign in", nil, nil, live: nil,
            content: templates.render("sign-in", Fields(present: ["next": next, "refusal": refusal])))
    }

    /// - Parameters:
    ///   - action: where the form goes that asks.
    ///   - next: where whoever does not want it goes on.
    package func question(_ question: Question, action: String, next: String, for session: Sessions.Session) -> String {
        let fields = question.fields.sorted { $0.key < $1.key }.map { ["name": $0.key, "value": $0.value] as Fields }
        return layout(
            "Are you sure?", nil, session, live: nil,
            content: templates.render(
                "question",
                [
                    "action": action, "next": next, "fields": fields, "text": question.text,
                    "wanted": question.wanted, "isWrong": question.answer != nil,
                ]))
    }

    package func failure(_ message: String, for session: Sessions.Session?) -> String {
        layout("Not done", nil, session, live: nil, content: templates.render("failure", ["message": message]))
    }

    private func view(_ session: Sessions.Session) -> PageView {
        PageView(plane: plane, activity: activity, templates: templates, requestToken: session.requestToken)
    }

    private func layout(
        _ title: String, _ menu: Menu?, _ session: Sessions.Session?, live: String?, content: String
    ) -> String {
        templates.render(
            "layout",
            Fields(present: [
                "title": title, "content": content, "live": live, "token": session?.requestToken,
                "version": OrchVersion.current,
                "edition": WebAsset.edition,
                "menu": session == nil
                    ? nil
                    : Menu.allCases.map { entry in
                        ["link": entry.rawValue, "title": entry.title, "here": entry == menu] as Fields
                    },
            ]))
    }

    /// Which page an address leads to. Those of the outline also have names that end in `.html`.
    private static func page(at address: PageAddress) throws(OrchError) -> any Page {
        let parts = address.parts
        let first = parts.first.map { $0.hasSuffix(".html") ? String($0.dropLast(5)) : $0 } ?? ""
        switch (first, parts.count) {
        case ("", 0), ("index", 1): return OverviewPage(address: address)
        case ("Deployment_Interface", 1): return DeployPage(form: DeployForm(address))
        case ("Deployment_Interface", 2): return RolloutPage(id: try DeploymentID(checking: parts[1]))
        case ("Service_Instances", 1): return InstancesPage(address: address)
        case ("Service_Instances", 2): return InstancePage(id: try InstanceID(checking: parts[1]))
        case ("Services", 2): return ServicePage(name: try ModuleName(checking: parts[1]))
        case ("Logs", 1): return LogsPage(address: address)
        case ("Repository", 1): return RepositoryPage()
        case ("Schedules_and_Notifications", 1): return AutomationPage(address: address)
        case ("Documents", 1): return DocumentsPage(address: address)
        case ("Requests", 1): return RequestsPage(address: address)
        default: throw OrchError(.notFound, "there is no page \(address.path.quotedOneLine)")
        }
    }
}
