import FoundationEssentials
import HTTPTypes
import Hummingbird
import OrchModel
import OrchModuleFile
import OrchSystem
import RequestManager

/// Keeps who asked for what.
struct RequestRecorder: RouterMiddleware {
    let log: RequestLog
    let isLocal: Bool

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let from = isLocal ? "local" : context.remoteAddress?.ipAddress ?? "unknown"
        do {
            let answer: () async throws -> Response = { try await next(request, context) }
            return try await log.record(
                request.method.rawValue, request.uri.path, from: from, status: { $0.status.code }, answer: answer)
        } catch {
            return ErrorResponder.response(to: error)
        }
    }
}

/// Turns errors into answers with a code, a message and the right status.
struct ErrorResponder: RouterMiddleware {
    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return Self.response(to: error)
        }
    }

    static func response(to error: any Error) -> Response {
        switch error {
        case let error as OrchError: answer(ErrorBody(error), status: error.code.httpStatus)
        case let error as ModuleFileError:
            answer(
                ErrorBody(
                    OrchError(.invalidRequest, error.diagnostics.first?.description ?? "the module file is wrong"),
                    details: error.diagnostics.dropFirst().map(\.description)), status: 400)
        case let error as HTTPError:
            answer(
                ErrorBody(
                    OrchError(
                        error.status == .notFound ? .notFound : .invalidRequest, error.body ?? error.status.reasonPhrase
                    )),
                status: error.status.code)
        case is DecodingError:
            answer(
                ErrorBody(OrchError(.invalidRequest, "the request's body is not the JSON that is expected here")),
                status: 400)
        default: answer(ErrorBody(OrchError(.failed, "the agent failed: \(error)")), status: 500)
        }
    }

    private static func answer(_ body: ErrorBody, status: Int) -> Response {
        (try? JSONAnswer.response(body, status: HTTPResponse.Status(code: status)))
            ?? Response(status: .internalServerError)
    }
}

/// Lets nobody in at the TCP door without the token, nor any page of another site through a browser.
struct AccessGuard: RouterMiddleware {
    private static let ownHosts: Set<String> = ["127.0.0.1", "localhost", "[::1]"]

    let token: String

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        // A name of somebody else's that resolves to loopback (DNS rebinding) arrives with that name.
        guard let host = request.head.authority, Self.ownHosts.contains(Self.name(of: host)) else {
            throw OrchError(.notAllowed, "this address is not the agent's: use http://127.0.0.1 with its port")
        }
        if let origin = request.headers[.origin], origin != "http://\(host)" {
            throw OrchError(.notAllowed, "pages of another site may not use the agent")
        }
        let isRegistry = request.uri.path == "/v2" || request.uri.path.hasPrefix("/v2/")
        guard let given = request.headers[.authorization], isToken(given, orPassword: isRegistry) else {
            // Clients of registries ask without a token first, to learn which kind is wanted.
            if isRegistry { return Self.challenge }
            throw OrchError(
                .notAllowed,
                "the token is missing or wrong: put the content of the agent's file 'token' into ORCH_TOKEN")
        }
        return try await next(request, context)
    }

    private static var challenge: Response {
        let error = OrchError(
            .notAllowed,
            "sign in first: 'docker login ADDRESS' with any user and the content of the agent's file 'token'")
        var response = RegistryError(.unauthorized, "UNAUTHORIZED", error).response
        response.headers[.wwwAuthenticate] = "Basic realm=\"orch\""
        return response
    }

    /// - Parameter isPassword: whether it may be the password of a basic authentication (RFC 7617), with any user.
    private func isToken(_ field: String, orPassword isPassword: Bool) -> Bool {
        if field.hasPrefix("Bearer ") { return Secrets.areEqual(field.dropFirst(7), token) }
        guard isPassword, field.hasPrefix("Basic "),
            let bytes = Data(base64Encoded: String(field.dropFirst(6))),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return false }
        return Secrets.areEqual(String(decoding: bytes[(colon + 1)...], as: UTF8.self), token)
    }

    private static func name(of authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else { return authority }
        return String(authority[..<colon])
    }
}
