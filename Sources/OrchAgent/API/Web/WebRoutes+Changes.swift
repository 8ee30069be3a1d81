import Deployer
import FoundationEssentials
import HTTPTypes
import Hummingbird
import OrchModel
import OrchModuleFile
import RepositoryManager
import RequestManager

/// What the buttons and forms of the pages do.
extension WebRoutes {
    /// What a script is told; a browser without scripts goes on to another page.
    struct Done: Encodable {
        var message = ""
        /// Where to go on.
        var go: String?
        /// It went well, but what was asked for did not.
        var failed: Bool?
        var times: [String]?
    }

    func addChanges(to group: RouterGroup<APIContext>) {
        addDeploying(to: group)
        addServiceChanges(to: group)
        addAutomation(to: group)
        group.group().add(middleware: RequestTokenNeeded()).post("Repository/upload") { request, context in
            try await upload(request, context)
        }
        post("Repository/remove", in: group) { form, _ in
            let reference = try ArtifactReference(checking: form["reference"] ?? "")
            let freed = try await agent.repository.remove(reference)
            return Done(message: "Removed \(reference), which frees \(ByteSize(bytes: freed.bytes)).")
        }
    }

    /// A form at an address. What it answers depends on who asks: a script, or a browser by itself.
    func post(
        _ path: String, in group: RouterGroup<APIContext>,
        _ act: @escaping @Sendable (FormBody, APIContext) async throws -> Done
    ) {
        group.post(RouterPath(path)) { request, context in
            let form = try await FormBody(request, context)
            if let question = Question(form.all) {
                let session = try context.requireSession()
                return Self.html(
                    pages.question(question, action: request.uri.path, next: form.next, for: session),
                    status: .preconditionRequired)
            }
            let done = try await act(form, context)
            guard request.headers[.accept]?.hasPrefix("application/json") == true else {
                return Self.redirect(to: done.go ?? form.next)
            }
            return try JSONAnswer.response(done)
        }
    }

    // MARK: Deployments

    private func addDeploying(to group: RouterGroup<APIContext>) {
        group.post("Deployment_Interface") { request, context in
            let form = DeployForm(try await FormBody(request, context).all)
            var outcome = DeployForm.Outcome()
            do {
                let deploy = try form.request()
                // Nothing happens whose plan was not seen.
                if form.isConfirmed {
                    let spec = try await agent.repository.resolve(deploy)
                    let deployment = try await agent.deployer.deploy(spec, checkIndex: deploy.checkIndex)
                    return Self.redirect(to: "/Deployment_Interface/\(deployment.id)")
                }
                outcome.plan = try await agent.plan(deploy)
            } catch let error as ModuleFileError {
                outcome.mistakes = form.file.map(agent.mistakes) ?? []
                outcome.refusal = error.diagnostics.first?.description
            } catch let error as OrchError {
                outcome.refusal = error.message
            }
            let status: HTTPResponse.Status = outcome.refusal == nil ? .ok : .unprocessableContent
            return Self.html(
                try await pages.deployForm(form, outcome, for: context.requireSession()), status: status)
        }
        group.post("Deployment_Interface/check") { request, context in
            try await JSONAnswer.response(agent.mistakes(in: FormBody(request, context)["file"] ?? ""))
        }
    }

    /// Takes a bundle or an image in.
    private func upload(_ request: Request, _ context: APIContext) async throws -> Response {
        _ = try context.requireSession()
        guard let name = request.uri.queryParameters["name"], !name.isEmpty else {
            throw OrchError(.invalidRequest, "'name' must be the name of the file")
        }
        let uploads = agent.artifacts.uploads
        let id = try await uploads.begin()
        do {
            _ = try await uploads.append(request.body, to: id)
        } catch {
            await uploads.cancel(id)
            throw error
        }
        let digest = try await uploads.finish(id)
        let push = PushRequest(digest: digest, fileName: String(name), name: nil, version: nil, force: false)
        return try JSONAnswer.response(try await agent.repository.push(push), status: .created)
    }

    // MARK: Services and instances

    private func addServiceChanges(to group: RouterGroup<APIContext>) {
        for (word, change) in [("start", .start), ("stop", .stop), ("restart", .restart), ("remove", .remove)]
            as [(String, ServiceMachine.Change)]
        {
            post("Services/:name/\(word)", in: group) { _, context in try await self.change(change, context) }
        }
        post("Services/:name/scale", in: group) { form, context in
            guard let replicas = form["replicas"].flatMap({ Int($0) }), (0...1000).contains(replicas) else {
                throw OrchError(.invalidRequest, "the number of replicas must be from 0 to 1000")
            }
            return try await change(.scale(replicas), context)
        }
        post("Services/:name/rollback", in: group) { form, context in
            let name = try context.name(ModuleName.self, "name")
            let deployment = try await agent.deployer.rollback(name, to: form["version"])
            return Done(go: "/Deployment_Interface/\(deployment.id)")
        }
        for steering in ServiceMachine.Steering.allCases {
            post("Services/:name/\(steering.rawValue)", in: group) { _, context in
                let name = try context.name(ModuleName.self, "name")
                _ = try await agent.deployer.steer(steering, of: name)
                return Done()
            }
        }
        post("Services/:name/ping", in: group) { form, context in
            let name = try context.name(ModuleName.self, "name")
            let ping = try await agent.ping(name, at: form["address"] ?? "")
            return Done(message: ping.words, failed: !ping.isWell)
        }
        for kind in [DeploymentView.Kind.start, .stop, .restart] {
            post("Service_Instances/:id/\(kind.rawValue)", in: group) { _, context in
                try await agent.deployer.request(kind, of: context.name(InstanceID.self, "id"))
                return Done()
            }
        }
    }

    private func change(_ change: ServiceMachine.Change, _ context: APIContext) async throws -> Done {
        let deployment = try await agent.deployer.request(change, of: context.name(ModuleName.self, "name"))
        return Done(go: "/Deployment_Interface/\(deployment.id)")
    }
}
