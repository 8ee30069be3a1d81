import AsyncHTTPClient
import Deployer
import FoundationEssentials
import NIOCore
import NIOHTTP1
import OrchModel
import OrchSystem

/// The interfaces of modules that belong to the control plane: whoever may ask the agent asks them through it, and they know
/// by a token of theirs that it is the agent that asks.
extension Agent {
    private static let timeout = TimeAmount.seconds(30)
    /// For what is answered when it is done: a schedule's job that is run by hand.
    private static let longTimeout = TimeAmount.hours(24)
    /// A hundred thousand schedules fit.
    private static let largestAnswer = 64 << 20

    struct ModuleAnswer: Sendable {
        var status: Int
        var type: String
        var content: ByteBuffer
    }

    /// - Parameter path: with the query, as the module knows it.
    /// - Throws: `notFound` when it is not deployed, `unavailable` when no instance answers.
    func forward(
        to module: ModuleName, _ method: HTTPMethod, _ path: String, type: String?, body: ByteBuffer
    ) async throws -> ModuleAnswer {
        guard let spec = await deployer.spec(of: module) else {
            throw OrchError(.notFound, "there is no service \(module): 'orch deploy \(module)' starts it")
        }
        guard spec.api != .none, let port = spec.ports.first else {
            throw OrchError(.invalidRequest, "\(module) has no interface of its own: its module file sets no 'api'")
        }
        let instances = await deployer.instances().filter { $0.module == module && $0.state.isUp }
        guard let instance = instances.first(where: { $0.state == .healthy }) ?? instances.first,
            let number = instance.ports[port.name]
        else { throw OrchError(.unavailable, "no instance of \(module) is up: 'orch why \(module)' tells why") }
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(number)/\(path)")
        request.method = method
        request.headers.add(name: "authorization", value: "Bearer \(instanceTokens.agentToken(for: instance.id))")
        if let type { request.headers.add(name: "content-type", value: type) }
        if body.readableBytes > 0 { request.body = .bytes(body) }
        do {
            let isLong = method == .POST && path.hasSuffix("/run")
            let answer = try await HTTPClient.shared.execute(
                request, timeout: isLong ? Self.longTimeout : Self.timeout)
            return ModuleAnswer(
                status: Int(answer.status.code),
                type: answer.headers.first(name: "content-type") ?? "application/json",
                content: try await answer.body.collect(upTo: Self.largestAnswer))
        } catch {
            throw OrchError(
                .unavailable, "\(instance.id) does not answer: 'orch why \(module)' tells why", cause: error)
        }
    }

    /// Asks in JSON.
    ///
    /// - Throws: also what the module refuses.
    func ask(_ module: ModuleName, _ method: HTTPMethod, _ path: String, body: JSONValue?) async throws -> JSONValue {
        var content = ByteBuffer()
        if let body { content.writeBytes(try JSONEncoder().encode(body)) }
        let answer = try await forward(
            to: module, method, path, type: body == nil ? nil : "application/json", body: content)
        let bytes = Data(answer.content.readableBytesView)
        guard answer.status < 400 else {
            let refusal = try? JSONDecoder().decode(ErrorBody.self, from: bytes)
            throw OrchError(
                OrchError.Code(wireName: refusal?.error ?? ""),
                refusal?.message ?? "\(module) answered with status \(answer.status)")
        }
        return try JSONDecoder().decode(JSONValue.self, from: bytes)
    }
}
