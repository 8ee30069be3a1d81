import Hummingbird
import Logging
import ModuleKit
import OrchModel
import OrchSystem

/// The scheduler's HTTP interface, asked through the agent.
struct SchedulerAPI: Sendable {
    private static let shownSchedules = 200
    private static let shownTimes = 10
    private static let shownRuns = 20

    let keeper: ScheduleKeeper
    /// What the agent shows, through which everybody asks.
    let token: String

    func application(port: Int, logger: Logger) -> some ApplicationProtocol {
        let router = ModuleAPI.router(token: token, metrics: metrics, page: page) { group in
            group.get("v1/schedules") { request, _ in
                let limit = try Self.number("limit", request) ?? .max
                let word = request.uri.queryParameters["q"].map { $0.lowercased() } ?? ""
                return try ModuleAPI.answer(await keeper.states(with: word, limit: limit))
            }
            group.get("v1/schedules/:name") { _, context in
                try ModuleAPI.answer(await keeper.state(of: Self.name(context)))
            }
            group.get("v1/schedules/:name/runs") { request, context in
                let limit = try Self.number("limit", request) ?? Self.shownRuns
                return try ModuleAPI.answer(await keeper.runs(of: Self.name(context), limit: limit))
            }
            group.post("v1/preview") { request, context in
                let schedule = try await request.decode(as: Schedule.self, context: context)
                return try ModuleAPI.answer(
                    await keeper.dueTimes(of: schedule, after: .now(), count: Self.shownTimes))
            }
            group.get("v1/schedules/:name/next") { request, context in
                let count = try Self.number("count", request) ?? Self.shownTimes
                return try ModuleAPI.answer(
                    await keeper.dueTimes(of: Self.name(context), after: .now(), count: count))
            }
            group.post("v1/schedules/:name/:change") { _, context in
                let name = try Self.name(context)
                switch try context.parameters.require("change") {
                case "pause": try await keeper.setPaused(true, name, at: .now())
                case "resume": try await keeper.setPaused(false, name, at: .now())
                case "run": try await keeper.runNow(name, at: .now())
                case let other: throw OrchError(.notFound, "a schedule can be paused, resumed and run, not \(other)")
                }
                return try ModuleAPI.answer(["status": "done"])
            }
            // All of them or none.
            group.put("v1/schedules") { request, context in
                let schedules = try await request.decode(as: [Schedule].self, context: context)
                try await keeper.put(schedules, at: .now())
                return try ModuleAPI.answer(["set": schedules.count])
            }
            group.put("v1/schedules/:name") { request, context in
                var schedule = try await request.decode(as: Schedule.self, context: context)
                schedule.name = try Self.name(context)
                try await keeper.put([schedule], at: .now())
                return try ModuleAPI.answer(schedule)
            }
            group.delete("v1/schedules/:name") { _, context in
                try await keeper.remove(Self.name(context))
                return try ModuleAPI.answer(["status": "removed"])
            }
        }
        return Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    }

    private func page() async -> ModulePage {
        func time(_ time: Timestamp?) -> String { time?.rfc3339(decimals: 0) ?? "" }
        let rows = await keeper.states(limit: Self.shownSchedules).map { view in
            [
                view.schedule.name.rawValue, view.schedule.times,
                "\(view.schedule.action.rawValue) \(view.schedule.module?.rawValue ?? "")",
                view.isRunning ? "running" : view.isPaused ? "paused" : time(view.next), time(view.lastRun?.due),
                view.lastRun?.outcome == nil ? "" : view.lastRun?.outcome == "done" ? "done" : "failed",
            ]
        }
        let columns = ["Schedule", "When", "What", "Next", "Last", "Outcome"]
        return ModulePage(
            title: "Scheduler",
            tables: [.init(heading: "Schedules", columns: columns, rows: rows, empty: "None are set.")])
    }

    private func metrics() async -> String {
        let (schedules, counts) = (await keeper.states(), await keeper.counts)
        var text = MetricsText()
        text.add("scheduler_schedules", .gauge, "Schedules that are set.", Double(schedules.count))
        text.add(
            "scheduler_running", .gauge, "Schedules that are acted on now.", Double(schedules.count(where: \.isRunning))
        )
        text.add(
            "scheduler_paused", .gauge, "Schedules that are paused.", Double(schedules.count(where: \.isPaused)))
        text.add(
            "scheduler_runs_total", .counter, "Acts by what came of them.",
            [(["outcome": "done"], Double(counts.done)), (["outcome": "failed"], Double(counts.failed))])
        text.add("scheduler_lateness_seconds_total", .counter, "By how much acts began late.", counts.lateness)
        text.add(
            "scheduler_lateness_seconds_max", .gauge, "By how much an act began late at most.", counts.worstLateness)
        return text.content
    }

    private static func name(_ context: some RequestContext) throws -> ModuleName {
        try ModuleName(checking: context.parameters.require("name"))
    }

    private static func number(_ name: String, _ request: Request) throws(OrchError) -> Int? {
        guard let text = request.uri.queryParameters[name[...]] else { return nil }
        guard let number = Int(text), (1...1000).contains(number) else {
            throw OrchError(.invalidRequest, "'\(name)' must be 1 to 1000")
        }
        return number
    }
}
