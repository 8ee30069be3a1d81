import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

/// What the scheduler is asked, through the agent.
private enum SchedulerDoor {
    static let path = "/v1/modules/scheduler/api/v1"
}

private struct ScheduleRow: Codable, Sendable {
    struct Schedule: Codable, Sendable {
        var name: String
        var cron: String?
        var timeZone: String?
        var every: String?
        var at: Timestamp?
        var action: String
        var module: String?
        var url: String?
        var missed: String?
        var jitter: String?

        enum CodingKeys: String, CodingKey {
            case name, cron, every, at, action, module, url, missed, jitter
            case timeZone = "time_zone"
        }

        /// When it is due, as it was written.
        var times: String {
            if let cron { return timeZone.map { "\(cron) (\($0))" } ?? cron }
            return every.map { "every \($0)" } ?? at.map { "at \($0)" } ?? ""
        }
    }

    struct Run: Codable, Sendable {
        var due: Timestamp
        var beganAt: Timestamp
        var endedAt: Timestamp?
        var outcome: String?

        enum CodingKeys: String, CodingKey {
            case due, outcome
            case beganAt = "began_at"
            case endedAt = "ended_at"
        }
    }

    var schedule: Schedule
    var next: Timestamp?
    var lastRun: Run?
    var isPaused: Bool
    var isRunning: Bool

    enum CodingKeys: String, CodingKey {
        case schedule, next
        case lastRun = "last_run"
        case isPaused = "paused"
        case isRunning = "running"
    }
}

extension CommandSpec {
    static let scheduleList = CommandSpec(
        name: "schedule ls", summary: "List schedules with their next due times", examples: ["orch schedule ls"]
    ) { invocation in
        let rows: [ScheduleRow] = try await invocation.client().call("GET", "\(SchedulerDoor.path)/schedules")
        let columns: [Column<ScheduleRow>] = [
            Column("SCHEDULE") { $0.schedule.name },
            Column("WHEN") { $0.schedule.times },
            Column("ACTION") { "\($0.schedule.action) \($0.schedule.module ?? $0.schedule.url ?? "")" },
            Column("NEXT") {
                $0.isRunning ? "running" : $0.isPaused ? "paused" : $0.next?.rfc3339(decimals: 0) ?? "never"
            },
            Column("LAST") { $0.lastRun?.due.rfc3339(decimals: 0) ?? "-" },
            Column("OUTCOME") { $0.lastRun?.outcome ?? "" },
        ]
        try invocation.console.list(rows, columns, name: { $0.schedule.name }, empty: "no schedules")
        return 0
    }

    static let scheduleAdd = CommandSpec(
        name: "schedule add", summary: "Set a schedule, and show when it is due next",
        discussion:
            "Give one of --cron, --every and --at, and one of --start, --stop, --restart, --deploy and --call. With --dry-run only the due times are shown.",
        operands: [OperandSpec("NAME", "Name of the schedule; one that is there is replaced.")],
        options: [
            OptionSpec(
                "cron", nil, .text, "FIELDS",
                "Minute, hour, day of month, month, day of week, as in '30 8 * * mon-fri', with the second before them if need be; also L, L-3, 15W, LW, fri#2, friL, @hourly."
            ),
            OptionSpec("time-zone", nil, .text, "ZONE", "Whose clock cron means; UTC by default."),
            OptionSpec("every", nil, .duration, "SPAN", "Again and again, counted from now."),
            OptionSpec("at", nil, .text, "TIME", "Once, as in 2026-01-31T08:00:00Z."),
            OptionSpec("start", nil, .text, "MODULE", names: .modules, "Start a service."),
            OptionSpec("stop", nil, .text, "MODULE", names: .modules, "Stop a service."),
            OptionSpec("restart", nil, .text, "MODULE", names: .modules, "Restart a service."),
            OptionSpec("deploy", nil, .text, "MODULE", names: .modules, "Deploy a known module."),
            OptionSpec("call", nil, .text, "URL", "Send a POST to an address."),
            OptionSpec(
                "missed", nil, .choice(["skip", "once", "all"]), "POLICY",
                "What becomes of due times that pass while the scheduler does not run, or the schedule still does; skip by default, once makes up for the last one, all for each."
            ),
            OptionSpec("jitter", nil, .duration, "SPAN", "Act later than due by a part of it, up to 24h."),
            OptionSpec("dry-run", nil, "Set nothing."),
        ],
        examples: [
            "orch schedule add nightly --cron '0 3 * * *' --time-zone Europe/Berlin --restart shop",
            "orch schedule add poll --every 10m --call http://127.0.0.1:8080/poll",
        ]
    ) { invocation in
        let client = try invocation.client()
        let schedule = try schedule(invocation)
        let times: [Timestamp] = try await client.call("POST", "\(SchedulerDoor.path)/preview", body: schedule)
        if try !invocation.flag("dry-run") {
            let _: JSONValue = try await client.call(
                "PUT", "\(SchedulerDoor.path)/schedules/\(schedule.name.percentEncoded)", body: schedule)
        }
        try show(times, invocation)
        return 0
    }

    private static func schedule(_ invocation: Invocation) throws(OrchError) -> ScheduleRow.Schedule {
        var actions: [(action: String, target: String)] = []
        for action in ["start", "stop", "restart", "deploy", "call"] {
            if let target = try invocation.text(action) { actions.append((action, target)) }
        }
        guard let (action, target) = actions.first, actions.count == 1 else {
            throw OrchError(.invalidRequest, "give just one of --start, --stop, --restart, --deploy and --call")
        }
        let isCall = action == "call"
        let at = try invocation.text("at")
        let time = at.flatMap { Timestamp(rfc3339: $0) }
        if let at, time == nil {
            throw OrchError(.invalidRequest, "--at must be a time, as in 2026-01-31T08:00:00Z, not \(at.quotedOneLine)")
        }
        return ScheduleRow.Schedule(
            name: invocation.operands[0], cron: try invocation.text("cron"), timeZone: try invocation.text("time-zone"),
            every: try invocation.duration("every")?.description, at: time, action: isCall ? "http" : action,
            module: isCall ? nil : target, url: isCall ? target : nil, missed: try invocation.text("missed"),
            jitter: try invocation.duration("jitter")?.description)
    }

    private static func show(_ times: [Timestamp], _ invocation: Invocation) throws {
        try invocation.console.list(
            times.map(DueTime.init), [Column("DUE") { $0.due.rfc3339(decimals: 0) }],
            name: { $0.due.rfc3339(decimals: 0) }, empty: "never due")
    }

    private struct DueTime: Encodable, Sendable { var due: Timestamp }

    static let scheduleNext = CommandSpec(
        name: "schedule next", summary: "Show when a schedule is due next",
        operands: [OperandSpec("NAME", "Name of the schedule.")],
        options: [OptionSpec("count", "n", .integer(1...1000), "COUNT", "How many times; 10 by default.")],
        examples: ["orch schedule next nightly -n 3"]
    ) { invocation in
        let times: [Timestamp] = try await invocation.client().call(
            "GET", "\(SchedulerDoor.path)/schedules/\(invocation.operands[0].percentEncoded)/next",
            query: [("count", String(try invocation.integer("count") ?? 10))])
        try show(times, invocation)
        return 0
    }

    static let scheduleShow = CommandSpec(
        name: "schedule show", summary: "Show all there is to know of a schedule",
        discussion: "Prints YAML unless another format is asked for.",
        operands: [OperandSpec("NAME", "Name of the schedule.")], examples: ["orch schedule show nightly"]
    ) { invocation in
        let name = invocation.operands[0]
        let document: JSONValue = try await invocation.client().call(
            "GET", "\(SchedulerDoor.path)/schedules/\(name.percentEncoded)")
        try invocation.console.show(document, name: name) { [YAMLText.text(of: document)] }
        return 0
    }

    static let scheduleHistory = CommandSpec(
        name: "schedule history", summary: "Show when a schedule ran, and what came of it",
        discussion: "The last 100 runs are kept.",
        operands: [OperandSpec("NAME", "Name of the schedule.")],
        options: [OptionSpec("limit", "n", .integer(1...1000), "COUNT", "How many; 20 by default.")],
        examples: ["orch schedule history nightly -n 5"]
    ) { invocation in
        let rows: [ScheduleRow.Run] = try await invocation.client().call(
            "GET", "\(SchedulerDoor.path)/schedules/\(invocation.operands[0].percentEncoded)/runs",
            query: [("limit", String(try invocation.integer("limit") ?? 20))])
        let columns: [Column<ScheduleRow.Run>] = [
            Column("DUE") { $0.due.rfc3339(decimals: 0) }, Column("BEGAN") { $0.beganAt.rfc3339(decimals: 3) },
            Column("ENDED") { $0.endedAt?.rfc3339(decimals: 3) ?? "running" }, Column("OUTCOME") { $0.outcome ?? "" },
        ]
        try invocation.console.list(
            rows, columns, name: { $0.due.rfc3339(decimals: 0) }, empty: "nothing was due yet")
        return 0
    }

    static let scheduleRemove = CommandSpec(
        name: "schedule rm", summary: "Remove schedules",
        operands: [OperandSpec("NAME", repeats: true, "Names of schedules.")], examples: ["orch schedule rm nightly"]
    ) { invocation in
        let client = try invocation.client()
        for name in invocation.operands {
            let _: JSONValue = try await client.call(
                "DELETE", "\(SchedulerDoor.path)/schedules/\(name.percentEncoded)")
            invocation.console.note("removed \(name)")
        }
        return 0
    }

    static let schedulePause = change("pause", "Have nothing of a schedule be due for now", "paused")
    static let scheduleResume = change("resume", "Go on with a paused schedule", "resumed")
    static let scheduleRun = change("run", "Do at once what a schedule is for", "done")

    private static func change(_ word: String, _ summary: String, _ done: String) -> CommandSpec {
        CommandSpec(
            name: "schedule \(word)", summary: summary,
            operands: [OperandSpec("NAME", "Name of the schedule.")], examples: ["orch schedule \(word) nightly"]
        ) { invocation in
            let name = invocation.operands[0]
            let _: JSONValue = try await invocation.client().call(
                "POST", "\(SchedulerDoor.path)/schedules/\(name.percentEncoded)/\(word)")
            invocation.console.note("\(name): \(done)")
            return 0
        }
    }
}
