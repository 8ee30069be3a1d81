import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import RepositoryManager

extension Routes {
    func addArtifacts(to v1: RouterGroup<APIContext>) {
        v1.get("artifacts") { _, _ in try JSONAnswer.response(await agent.repository.artifactViews()) }
        v1.post("artifacts") { request, context in
            try JSONAnswer.response(
                try await agent.repository.push(request.json(PushRequest.self, context)), status: .created)
        }
        v1.delete("artifacts/**") { _, context in
            let reference = try ArtifactReference(checking: context.parameters.getCatchAll().joined(separator: "/"))
            return try JSONAnswer.response(try await agent.repository.remove(reference))
        }
        v1.post("build") { request, context in
            let build = try await request.json(BuildRequest.self, context)
            return EventStream.response { emit in
                try await emit(.artifact(try await agent.build(build) { try await emit(.output($0)) }))
                try await emit(.end)
            }
        }
        v1.post("prune") { request, _ in
            let delay = try request.number("older_than").map { TimeSpan.seconds(Int64($0)) }
            return try JSONAnswer.response(try await agent.repository.prune(olderThan: delay))
        }
        for path in ["downloads/:filename", "download/:filename"] {
            v1.get(RouterPath(path)) { request, context in try await download(request, context) }
            v1.head(RouterPath(path)) { request, context in try await download(request, context) }
        }
    }

    private func download(_ request: Request, _ context: APIContext) async throws -> Response {
        let name = try context.parameters.require("filename")
        let digest = try request.uri.queryParameters["digest"].map { try Digest(checking: String($0)) }
        let download = try await agent.artifacts.download(name.percentDecoded, of: digest)
        // A name says what is saved, but nothing may break out of the quotes.
        let shown = String(name.unicodeScalars.map { $0.isASCII && $0 != "\"" && $0 != "\\" ? Character($0) : "_" })
        let disposition: HTTPFields = [.contentDisposition: "attachment; filename=\"\(shown)\""]
        switch download {
        case .file(_, let size, let digest):
            return try await FileAnswer(
                size: size, tag: digest?.rawValue, type: MediaType.of(fileName: name), fields: disposition
            ).response(to: request) { try await agent.artifacts.open(download, range: $0) }
        case .image(let image):
            var headers = disposition
            headers[.contentType] = MediaType.of(fileName: name)
            headers[.contentLength] = String(image.size)
            headers[.eTag] = "\"\(image.digest)\""
            guard request.method != .head else { return Response(status: .ok, headers: headers) }
            return Response(
                status: .ok, headers: headers,
                body: ResponseBody(contentLength: Int(image.size)) { writer in
                    for try await bytes in image { try await writer.write(bytes) }
                    try await writer.finish(nil)
                })
        }
    }
}
