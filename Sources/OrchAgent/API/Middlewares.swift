import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import OrchModuleFile
import OrchSystem
import RequestManager

/// Keeps who asked for what.
struct RequestRecorder: RouterMiddleware {
    let log: RequestLog
    let isLocal: Bool
    /// Tells who asks: see ``RequestRecord``.
    let person: @Sendable (Request) -> String?

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let from = isLocal ? "local" : context.remoteAddress?.ipAddress ?? "unknown"
        do {
            let answer: () async throws -> Response = { try await next(request, context) }
            return try await log.record(
                request.method.rawValue, request.uri.path, from: from, by: person(request),
                effect: Self.effect(of: request.method, request.uri.path),
                status: { $0.status.code }, answer: answer)
        } catch {
            return ErrorResponder.response(to: error)
        }
    }

    /// Questions that are asked by POST, because they come with a text: by the last part of their paths.
    private static let questions: Set<Substring> = ["plan", "check", "preview", "ping"]

    /// What is asked for by POST and ends something or makes room.
    private static let ends: Set<Substring> = ["stop", "stop-instances", "remove", "prune"]

    static func effect(of method: HTTPRequest.Method, _ path: String) -> RequestLog.Effect {
        switch method {
        // A piece of an upload changes nothing yet.
        case .get, .head, .patch: return .nothing
        case .delete: return .end
        case .post:
            guard let last = path.split(separator: "/").last else { return .change }
            return questions.contains(last) ? .nothing : ends.contains(last) ? .end : .change
        default: return .change
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
        let failure = failure(error)
        return (try? JSONAnswer.response(failure.body, status: HTTPResponse.Status(code: failure.status)))
            ?? Response(status: .internalServerError)
    }

    static func failure(_ error: any Error) -> (body: ErrorBody, status: Int) {
        switch error {
        case let error as OrchError: (ErrorBody(error), error.code.httpStatus)
        case let error as ModuleFileError:
            (
                ErrorBody(
                    OrchError(.invalidRequest, error.diagnostics.first?.description ?? "the module file is wrong"),
                    details: error.diagnostics.dropFirst().map(\.description)), 400
            )
        case let error as HTTPError:
            (
                ErrorBody(
                    OrchError(
                        error.status == .notFound ? .notFound : .invalidRequest, error.body ?? error.status.reasonPhrase
                    )),
                error.status.code
            )
        case is NIOTooManyBytesError:
            (ErrorBody(OrchError(.invalidRequest, "the request is larger than what is taken here")), 413)
        case is DecodingError:
            (ErrorBody(OrchError(.invalidRequest, "the request's body is not the JSON that is expected here")), 400)
        default: (ErrorBody(OrchError(.failed, "the agent failed: \(error)")), 500)
        }
    }
}
