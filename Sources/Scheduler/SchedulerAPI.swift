import Hummingbird
import Logging
import ModuleKit
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
    /// What the agent shows, through which everybody asks.
    let token: String

    func application(port: Int, logger: Logger) -> some ApplicationProtocol {
        let router = ModuleAPI.router(token: token) { group in
            group.get("v1/schedules") { _, _ in
                try ModuleAPI.answer(
                    await keeper.all.map {
                        View(
                            schedule: $0.state.schedule, next: $0.next, lastDue: $0.state.lastDue,
                            lastOutcome: $0.state.lastOutcome)
                    })
            }
            group.put("v1/schedules/:name") { request, context in
                var schedule = try await request.decode(as: Schedule.self, context: context)
                schedule.name = try ModuleName(checking: context.parameters.require("name"))
                try await keeper.put(schedule, at: .now())
                return try ModuleAPI.answer(schedule)
            }
            group.delete("v1/schedules/:name") { _, context in
                try await keeper.remove(ModuleName(checking: context.parameters.require("name")))
                return try ModuleAPI.answer(["status": "removed"])
            }
        }
        return Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    }
}
