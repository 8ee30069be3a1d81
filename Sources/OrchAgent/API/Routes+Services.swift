import Deployer
import FoundationEssentials
import Hummingbird
import OrchModel
import OrchStore

extension Routes {
    func addServices(to v1: RouterGroup<APIContext>) {
        v1.get("services") { _, _ in try JSONAnswer.response(await agent.services()) }
        v1.get("services/:name") { _, context in
            let name = try context.name(ModuleName.self, "name")
            return try JSONAnswer.response(try await inspect(name))
        }
        v1.delete("services/:name") { _, context in
            let name = try context.name(ModuleName.self, "name")
            if context.instance != nil, await agent.deployer.spec(of: name)?.isRun != true {
                throw OrchError(.notAllowed, "an instance may remove runs of modules, and \(name) is none")
            }
            return try await change(.remove, context)
        }
        v1.post("services/:name/start") { _, context in try await change(.start, context) }
        v1.post("services/:name/stop") { _, context in try await change(.stop, context) }
        v1.post("services/:name/restart") { _, context in try await change(.restart, context) }
        v1.post("services/:name/scale") { request, context in
            guard let replicas = try await request.json(ChangeRequest.self, context).replicas else {
                throw OrchError(.invalidRequest, "'replicas' is missing")
            }
            return try await change(.scale(replicas), context)
        }
        v1.post("services/:name/rollback") { request, context in
            let name = try context.name(ModuleName.self, "name")
            let version = try await request.json(ChangeRequest.self, context).version
            return try JSONAnswer.response(
                try await agent.deployer.rollback(name, to: version), status: .accepted)
        }
        for steering in ServiceMachine.Steering.allCases {
            v1.post("services/:name/\(steering.rawValue)") { _, context in
                let name = try context.name(ModuleName.self, "name")
                return try JSONAnswer.response(
                    try await agent.deployer.steer(steering, of: name), status: .accepted)
            }
        }
        v1.get("services/:name/history") { request, context in
            let name = try context.name(ModuleName.self, "name")
            return try JSONAnswer.response(
                try await agent.history(of: name, limit: request.number("limit") ?? 20))
        }
        v1.get("services/:name/diff") { request, context in
            let name = try context.name(ModuleName.self, "name")
            return try JSONAnswer.response(
                try await agent.deployer.compare(name, from: request.number("from"), to: request.number("to")))
        }
        v1.get("services/:name/why") { _, context in
            try JSONAnswer.response(try await agent.why(context.name(ModuleName.self, "name")))
        }
    }

    private func change(_ change: ServiceMachine.Change, _ context: APIContext) async throws -> Response {
        let name = try context.name(ModuleName.self, "name")
        return try JSONAnswer.response(try await agent.deployer.request(change, of: name), status: .accepted)
    }

    /// A service with its module file, revisions and instances. Values of variables are not shown.
    private func inspect(_ name: ModuleName) async throws -> ServiceInspection {
        guard let view = await agent.services().first(where: { $0.name == name }),
            var spec = await agent.deployer.spec(of: name)
        else { throw OrchError(.notFound, "there is no service \(name): 'orch services' lists them") }
        spec.env = spec.env.mapValues { _ in "(hidden)" }
        for index in spec.files.indices where !spec.files[index].content.isEmpty {
            spec.files[index].content = "(hidden)"
        }
        return ServiceInspection(
            service: view, spec: spec,
            revisions: try await agent.deployer.revisions(of: name),
            instances: await agent.deployer.instances().filter { $0.module == name })
    }
}

struct ServiceInspection: Codable, Sendable {
    var service: ServiceView
    var spec: ModuleSpec
    var revisions: [RevisionView]
    var instances: [InstanceView]
}
