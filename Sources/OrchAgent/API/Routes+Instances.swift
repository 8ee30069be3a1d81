import Deployer
import Hummingbird
import OrchModel
import OrchSystem

extension Routes {
    func addInstances(to v1: RouterGroup<APIContext>) {
        v1.get("instances") { request, _ in
            let module = request.uri.queryParameters["module"]
            return try JSONAnswer.response(
                await agent.deployer.instances().filter { module == nil || $0.module.rawValue == module! })
        }
        v1.get("usage") { request, _ in
            try JSONAnswer.response(await agent.usage(of: request.uri.queryParameters["module"].map(String.init)))
        }
        v1.get("instances/:id") { _, context in
            try JSONAnswer.response(try await instance(context.name(InstanceID.self, "id")))
        }
        v1.get("instances/:id/why") { _, context in
            try JSONAnswer.response(try await agent.why(context.name(InstanceID.self, "id")))
        }
        for kind in [DeploymentView.Kind.start, .stop, .restart] {
            v1.post("instances/:id/\(kind.rawValue)") { _, context in
                let id = try context.name(InstanceID.self, "id")
                try await agent.deployer.request(kind, of: id)
                return try JSONAnswer.response(try await instance(id), status: .accepted)
            }
        }
    }

    private func instance(_ id: InstanceID) async throws -> InstanceView {
        guard let instance = await agent.deployer.instances().first(where: { $0.id == id }) else {
            throw OrchError(.notFound, "there is no instance \(id): 'orch instances' lists them")
        }
        return instance
    }
}
