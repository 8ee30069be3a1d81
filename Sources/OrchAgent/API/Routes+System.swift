import FoundationEssentials
import Hummingbird
import OrchModel
import OrchStore
import OrchSystem
import RepositoryManager
import RequestManager

extension Routes {
    func addSystem(to router: RouterGroup<APIContext>, _ v1: RouterGroup<APIContext>) {
        router.get("metrics") { _, _ in
            JSONAnswer.text(await Metrics.text(for: agent), type: "text/plain; version=0.0.4")
        }
        v1.get("status") { _, _ in try JSONAnswer.response(await agent.status()) }
        v1.get("health/live") { _, _ in try JSONAnswer.response(["status": "live"]) }
        // Ready once everything that answers is there: this is only reached then.
        v1.get("health/ready") { _, _ in try JSONAnswer.response(["status": "ready"]) }
        v1.get("modules") { _, _ in try JSONAnswer.response(await agent.repository.modules()) }
        v1.get("schema") { _, _ in try JSONAnswer.response(ModuleSchema.jsonSchema) }
        v1.get("requests") { request, _ in
            try JSONAnswer.response(try await agent.requests.latest(request.number("limit") ?? 100))
        }
        v1.get("openapi.json") { _, _ in try JSONAnswer.response(OpenAPI.document) }
        v1.post("stop-instances") { _, _ in
            await agent.stopAllInstances()
            return try JSONAnswer.response(["status": "stopped"])
        }
        v1.post("sign-in") { _, _ in
            let port = try await agent.webDoor.open()
            let address = "http://\(AccessGuard.pageHost):\(port)"
            let code = agent.sessions.issueCode(at: .now())
            return try JSONAnswer.response(SignInView(address: "\(address)\(WebRoutes.signInPath)?code=\(code)"))
        }
        v1.get("events") { request, _ in try await events(request) }
    }

    /// `after` or `Last-Event-ID` go on behind an event, `limit` tells how many of the last ones come first, `follow` goes on.
    /// `deployment` gives those of its module that belong to it or to none, from its start to its end.
    private func events(_ request: Request) async throws -> Response {
        let resumed = request.headers[.init("Last-Event-ID")!].flatMap { Int64($0) }
        let after = try request.number("after").map(Int64.init) ?? resumed
        let module = try request.uri.queryParameters["module"].map { try ModuleName(checking: String($0)) }
        let limit = try request.number("limit") ?? 50
        let follows = request.flag("follow")
        if let text = request.uri.queryParameters["deployment"] {
            let deployment = try await agent.deployment(DeploymentID(checking: String(text)))
            return events(of: deployment, after: after, follows: follows)
        }
        return EventStream.response { emit in
            var last = after
            for await _ in agent.events.news() {
                while true {
                    let batch = try await agent.events(
                        after: last, module: module, limit: last == nil ? limit : Self.eventsAtOnce)
                    last = batch.last?.sequence ?? last ?? 0
                    if !batch.isEmpty { try await emit(.events(batch)) }
                    if batch.count < Self.eventsAtOnce { break }
                }
                if !follows { break }
            }
            try await emit(.end)
        }
    }

    private static let eventsAtOnce = 500

    private func events(of deployment: DeploymentView, after: Int64?, follows: Bool) -> Response {
        EventStream.response { emit in
            var last = after ?? 0
            for await _ in agent.events.news() {
                let current = try await agent.deployment(deployment.id)
                let batch = try await agent.events(during: current, limit: Self.eventsAtOnce)
                    .filter { $0.sequence > last }
                last = batch.last?.sequence ?? last
                if !batch.isEmpty { try await emit(.events(batch)) }
                if !follows || current.state.isFinal { break }
            }
            try await emit(.end)
        }
    }
}
