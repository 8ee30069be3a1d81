import FoundationEssentials
import Hummingbird
import Logging
import NIOCore
import OrchModel
import OrchSystem

/// The scheduler's own HTTP API: `GET`, `PUT` and `DELETE /v1/schedules/NAME`, and `GET /health`.
struct SchedulerAPI: Sendable {
    private struct View: Codable {
        var schedule: Schedule
        var next: Timestamp?
        var lastDue: Timestamp?
        var lastOutcome: String?

        enum CodingKeys: String, CodingKey {
            case schedule, next
            case lastDue = "last_due"
            case lastOutcome = "last_outcome"
        }
    }

    let keeper: ScheduleKeeper
    /// What the agent shows, through which everybody asks: this instance's own token.
    let token: String

    func application(port: Int, logger: Logger) -> some ApplicationProtocol {
        let router = Router()
        router.get("health") { _, _ in try Self.answer(["status": "ready"]) }
        let guarded = router.group().add(middleware: TokenGuard(token: token))
        guarded.get("v1/schedules") { _, _ in
            try Self.answer(
                await keeper.all.map {
                    View(
                        schedule: $0.state.schedule, next: $0.next, lastDue: $0.state.lastDue,
                        lastOutcome: $0.state.lastOutcome)
                })
        }
        guarded.put("v1/schedules/:name") { request, context in
            await Self.answering {
                var schedule = try await request.decode(as: Schedule.self, context: context)
                schedule.name = try ModuleName(checking: context.parameters.require("name"))
                try await keeper.put(schedule, at: .now())
                return try Self.answer(schedule)
            }
        }
        guarded.delete("v1/schedules/:name") { _, context in
            await Self.answering {
                try await keeper.remove(ModuleName(checking: context.parameters.require("name")))
                return try Self.answer(["status": "removed"])
            }
        }
        return Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    }

    private static func answering(_ body: () async throws -> Response) async -> Response {
        do {
            return try await body()
        } catch {
            let failure = (error as? OrchError) ?? OrchError(.invalidRequest, "the body is no schedule: \(error)")
            return (try? answer(ErrorBody(failure), status: .init(code: failure.code.httpStatus)))
                ?? Response(status: .internalServerError)
        }
    }

    fileprivate static func answer(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(value))))
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
            let refusal = ErrorBody(
                OrchError(.notAllowed, "ask through the agent: /v1/modules/scheduler/api/v1/schedules"))
            return try SchedulerAPI.answer(refusal, status: .forbidden)
        }
        return try await next(request, context)
    }
}
