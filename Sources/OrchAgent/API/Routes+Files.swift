import Deployer
import Hummingbird
import NIOCore
import OrchModel
import RuntimeManager

/// Files of instances, for `orch cp`.
extension Routes {
    func addFiles(to v1: RouterGroup<APIContext>) {
        v1.get("instances/:id/file") { request, context in
            let (driver, id, path) = try await place(request, context)
            return try JSONAnswer.response(
                FileView(path: path, isFolder: try await driver.isFolder(in: id, path: path)))
        }
        v1.get("instances/:id/files") { request, context in
            let (driver, id, path) = try await place(request, context)
            guard try await driver.isFolder(in: id, path: path) != nil else {
                throw OrchError(.notFound, "\(id) has no \(path.quotedOneLine)")
            }
            return StreamedAnswer.response(type: "application/x-tar") { send in
                try await driver.readFiles(of: id, path: path) { try await send($0) }
            }
        }
        v1.put("instances/:id/files") { request, context in
            let (driver, id, path) = try await place(request, context)
            guard try await driver.isFolder(in: id, path: path) == true else {
                throw OrchError(.notFound, "\(id) has no folder \(path.quotedOneLine)")
            }
            try await driver.writeFiles(to: id, folder: path, request.body)
            return Response(status: .noContent)
        }
    }

    private func place(_ request: Request, _ context: APIContext) async throws -> (
        any RuntimeDriver, InstanceID, String
    ) {
        let id = try context.name(InstanceID.self, "id")
        guard let instance = await agent.deployer.instances().first(where: { $0.id == id }) else {
            throw OrchError(.notFound, "there is no instance \(id): 'orch instances' lists them")
        }
        guard instance.state.isUp else {
            throw OrchError(.conflict, "\(id) is \(instance.state.rawValue): its files are reached while it is up")
        }
        guard let path = request.uri.queryParameters["path"], !path.isEmpty else {
            throw OrchError(.invalidRequest, "'path' must say which file")
        }
        return (agent.runtime.driver(of: id), id, String(path))
    }
}
