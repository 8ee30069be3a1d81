import Deployer
import Hummingbird
import OrchModel
import OrchStore
import RepositoryManager

extension Routes {
    private static let longestWait = 3600

    func addDeployments(to v1: RouterGroup<APIContext>) {
        v1.post("deployments") { request, context in
            let body = try await request.json(DeployRequest.self, context)
            try check(body, context)
            let spec = try await agent.repository.resolve(body)
            return try JSONAnswer.response(
                try await agent.deployer.deploy(spec, checkIndex: body.checkIndex), status: .accepted)
        }
        v1.post("plan") { request, context in
            let body = try await request.json(DeployRequest.self, context)
            try check(body, context)
            return try JSONAnswer.response(try await agent.deployer.plan(agent.repository.resolve(body)))
        }
        v1.get("deployments") { request, _ in
            let module = try request.uri.queryParameters["module"].map { try ModuleName(checking: String($0)) }
            return try JSONAnswer.response(
                try await agent.store.deployments(of: module, limit: request.number("limit") ?? 50))
        }
        v1.get("deployments/:id") { _, context in
            try JSONAnswer.response(try await agent.deployment(context.name(DeploymentID.self, "id")))
        }
        v1.get("deployments/:id/wait") { request, context in
            let id = try context.name(DeploymentID.self, "id")
            let seconds = min(try request.number("seconds") ?? Self.longestWait, Self.longestWait)
            return try JSONAnswer.response(try await wait(for: id, seconds: seconds))
        }
    }

    /// - Throws: `notAllowed` for what only the owner of the agent may ask.
    private func check(_ request: DeployRequest, _ context: APIContext) throws(OrchError) {
        guard context.instance != nil else { return }
        var allowed = DeployRequest(module: request.module, replicas: request.replicas)
        (allowed.path, allowed.checkIndex, allowed.alias) = (request.path, request.checkIndex, request.alias)
        if request != allowed {
            throw OrchError(.notAllowed, "an instance may deploy known modules as they are, and set 'replicas'")
        }
    }

    /// The deployment once it is over, or as it is after `seconds`.
    private func wait(for id: DeploymentID, seconds: Int) async throws -> DeploymentView {
        try await withThrowingTaskGroup(of: DeploymentView?.self) { group in
            group.addTask {
                for await _ in agent.events.news() {
                    let current = try await agent.deployment(id)
                    if current.state.isFinal || current.state.standsStill { return current }
                }
                return nil
            }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            if let first { return first }
            return try await agent.deployment(id)
        }
    }
}
