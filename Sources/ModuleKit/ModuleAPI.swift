import FoundationEssentials
import HTTPTypes
package import Hummingbird
import NIOCore
import OrchModel
import OrchSystem

/// The HTTP interface of a module of the control plane, which everybody asks through the agent.
package enum ModuleAPI {
    package typealias Group = RouterGroup<BasicRequestContext>

    /// - Parameters:
    ///   - token: what the agent shows.
    ///   - metrics: the module's figures in the text format of Prometheus.
    ///   - page: shows what the module does.
    ///   - add: adds what only the agent may ask.
    /// - Returns: a router with `GET /health`, `GET /metrics`, `GET /ui/` and all of that.
    package static func router(
        token: String, metrics: @escaping @Sendable () async throws -> String,
        page: @escaping @Sendable () async throws -> ModulePage, _ add: (Group) -> Void
    ) -> Router<BasicRequestContext> {
        let router = Router()
        router.get("health") { _, _ in try answer(["status": "ready"]) }
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: MetricsText.type],
                body: ResponseBody(byteBuffer: ByteBuffer(string: try await metrics())))
        }
        router.get("ui") { _, _ in
            Response(
                status: .ok,
                headers: [
                    .contentType: "text/html; charset=utf-8", .contentSecurityPolicy: ModulePage.policy,
                    .xContentTypeOptions: "nosniff", .cacheControl: "no-store",
                ], body: ResponseBody(byteBuffer: ByteBuffer(string: try await page().html)))
        }
        add(router.group().add(middleware: TokenGuard(token: token)).add(middleware: Errors()))
        return router
    }

    package static func answer(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(value))))
    }
}

/// Turns errors into answers with a code and a message.
private struct Errors: RouterMiddleware {
    typealias Context = BasicRequestContext

    @concurrent func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as OrchError {
            return try ModuleAPI.answer(ErrorBody(error), status: .init(code: error.code.httpStatus))
        } catch is DecodingError {
            let refusal = OrchError(.invalidRequest, "the body is not the JSON that is expected here")
            return try ModuleAPI.answer(ErrorBody(refusal), status: .badRequest)
        }
    }
}

/// Lets only the agent in.
private struct TokenGuard: RouterMiddleware {
    typealias Context = BasicRequestContext

    let token: String

    @concurrent func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let field = request.headers[.authorization], Secrets.areEqual(field, "Bearer \(token)") else {
            let refusal = OrchError(.notAllowed, "ask through the agent, at /v1/modules/NAME/api/...")
            return try ModuleAPI.answer(ErrorBody(refusal), status: .forbidden)
        }
        return try await next(request, context)
    }
}
