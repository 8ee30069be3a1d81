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
        guard let given = request.headers[.authorization], given.hasPrefix("Bearer "), isToken(given.dropFirst(7))
        else {
            throw OrchError(
                .notAllowed,
                "the token is missing or wrong: put the content of the agent's file 'token' into ORCH_TOKEN")
        }
        return try await next(request, context)
    }

    /// Takes the same time wherever the first difference is.
    private func isToken(_ given: Substring) -> Bool {
        let (left, right) = (Array(given.utf8), Array(token.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | $1.0 ^ $1.1 } == 0
    }

    private static func name(of authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else { return authority }
        return String(authority[..<colon])
    }
}
