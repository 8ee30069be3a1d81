import AsyncHTTPClient
import Deployer
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import OrchModel
import OrchSystem

/// The interfaces of modules that belong to the control plane: whoever may ask the agent asks them through it, and they know
/// by a token of theirs that it is the agent that asks.
extension Routes {
    private static let forwardTimeout = TimeAmount.seconds(30)
    private static let largestForwarded = 8 << 20

    func addModules(to v1: RouterGroup<APIContext>) {
        for method in [.get, .put, .post, .delete] as [HTTPRequest.Method] {
            v1.on("modules/:module/api/**", method: method) { request, context in
                let module = try context.name(ModuleName.self, "module")
                let path = context.parameters.getCatchAll().joined(separator: "/")
                return try await forward(request, to: module, path)
            }
        }
    }

    private func forward(_ request: Request, to module: ModuleName, _ path: String) async throws -> Response {
        guard let spec = await agent.deployer.spec(of: module) else {
            throw OrchError(.notFound, "there is no service \(module): 'orch deploy \(module)' starts it")
        }
        guard spec.api != .none, let port = spec.ports.first else {
            throw OrchError(.invalidRequest, "\(module) has no interface of its own: its module file sets no 'api'")
        }
        let instances = await agent.deployer.instances().filter { $0.module == module && $0.state.isUp }
        guard let instance = instances.first(where: { $0.state == .healthy }) ?? instances.first,
            let number = instance.ports[port.name]
        else { throw OrchError(.unavailable, "no instance of \(module) is up: 'orch why \(module)' tells why") }
        let query = request.uri.query.map { "?\($0)" } ?? ""
        var forwarded = HTTPClientRequest(url: "http://127.0.0.1:\(number)/\(path)\(query)")
        forwarded.method = HTTPMethod(rawValue: request.method.rawValue)
        forwarded.headers.add(
            name: "authorization", value: "Bearer \(agent.instanceTokens.agentToken(for: instance.id))")
        if let type = request.headers[.contentType] { forwarded.headers.add(name: "content-type", value: type) }
        let body = try await request.body.collect(upTo: Self.largestForwarded)
        if body.readableBytes > 0 { forwarded.body = .bytes(body) }
        do {
            let answer = try await HTTPClient.shared.execute(forwarded, timeout: Self.forwardTimeout)
            let content = try await answer.body.collect(upTo: Self.largestForwarded)
            return Response(
                status: .init(code: Int(answer.status.code)),
                headers: [.contentType: answer.headers.first(name: "content-type") ?? "application/json"],
                body: ResponseBody(byteBuffer: content))
        } catch {
            throw OrchError(
                .unavailable, "\(instance.id) does not answer: 'orch why \(module)' tells why", cause: error)
        }
    }
}
