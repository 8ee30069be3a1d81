import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

/// What the scheduler is asked, through the agent.
private enum SchedulerDoor {
    static let path = "/v1/modules/scheduler/api/v1"
}

extension CommandSpec {
    static let scheduleList = CommandSpec(
        name: "schedule ls", summary: "List schedules with their next due times", examples: ["orch schedule ls"]
    ) { invocation in
        let rows: [ScheduleView] = try await invocation.client().call("GET", "\(SchedulerDoor.path)/schedules")
        let columns: [Column<ScheduleView>] = [
            Column("SCHEDULE") { $0.schedule.name.rawValue },
            Column("WHEN") { $0.schedule.times },
            Column("ACTION") { $0.schedule.act },
            Column("NEXT") {
                $0.problem
                    ?? ($0.isRunning ? "running" : $0.isPaused ? "paused" : $0.next?.rfc3339(decimals: 0) ?? "never")
            },
            Column("LAST") { $0.lastRun?.due.rfc3339(decimals: 0) ?? "-" },
            Column("OUTCOME") { $0.lastRun?.outcome ?? "" },
        ]
        try invocation.console.list(rows, columns, name: { $0.schedule.name.rawValue }, empty: "no schedules")
        return 0
    }

    static let scheduleAdd = CommandSpec(
        name: "schedule add", summary: "Set a schedule, and show when it is due next",
        discussion:
            "Give one of --cron, --every and --at, and what is done then; a window has --from and --to instead, and a service of it runs between them. With --dry-run only the due times are shown. A job runs its module to the end as a service of its own, NAME-TIME, which is gone afterwards; its log stays in the module's topic.",
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
            OptionSpec("scale", nil, .text, "MODULE", names: .modules, "Run as many instances as --replicas says."),
            OptionSpec("job", nil, .text, "MODULE", names: .modules, "Run a module to its end."),
            OptionSpec(
                "window", nil, .text, "MODULE", names: .modules, "Start a service at --from and stop it at --to."),
            OptionSpec("call", nil, .text, "URL", "Send a POST to an address."),
            OptionSpec("from", nil, .text, "TIME", "When a window opens, as in 08:00."),
            OptionSpec(
                "to", nil, .text, "TIME", "When it closes; one that closes before it opens lasts over midnight."),
            OptionSpec("days", nil, .text, "DAYS", "When it opens, as in mon-fri; every day by default."),
            OptionSpec(
                "except", nil, .text, "DAYS",
                "Days on which nothing is due, with commas: 2026-12-25, 2026-12-24/2026-12-31, or calendars of the configuration."
            ),
            OptionSpec("replicas", nil, .integer(0...1000), "COUNT", "For --scale."),
            OptionSpec("timeout", nil, .duration, "SPAN", "How long a try of a job may take; without end by default."),
            OptionSpec("retries", nil, .integer(0...100), "COUNT", "How often a job that failed is tried again."),
            OptionSpec(
                "retry-delay", nil, .duration, "SPAN",
                "Before the first of them, 10s by default; twice as long before each further one, up to an hour."),
            OptionSpec(
                "concurrency", nil, .choice(Schedule.Concurrency.allCases.map(\.rawValue)), "POLICY",
                "What becomes of a job that is due while it runs: allow runs it beside itself, forbid, the default, leaves it to --missed, replace ends the one before."
            ),
            OptionSpec(
                "missed", nil, .choice(["skip", "once", "all"]), "POLICY",
                "What becomes of due times that pass while the scheduler does not run, or the schedule still does; skip by default and once for windows, once makes up for the last one, all for each."
            ),
            OptionSpec("jitter", nil, .duration, "SPAN", "Act later than due by a part of it, up to 24h."),
            OptionSpec("dry-run", nil, "Set nothing."),
        ],
        examples: [
            "orch schedule add nightly --cron '0 3 * * *' --time-zone Europe/Berlin --restart shop",
            "orch schedule add poll --every 10m --call http://127.0.0.1:8080/poll",
            "orch schedule add backup --cron '30 1 * * *' --job backup --timeout 1h --retries 2",
            "orch schedule add office --window shop --from 08:00 --to 18:00 --days mon-fri --except 2026-12-25",
        ]
    ) { invocation in
        let client = try invocation.client()
        let schedule = try schedule(invocation)
        let times: [Timestamp] = try await client.call("POST", "\(SchedulerDoor.path)/preview", body: schedule)
        if try !invocation.flag("dry-run") {
            let _: JSONValue = try await client.call(
                "PUT", "\(SchedulerDoor.path)/schedules/\(schedule.name)", body: schedule)
        }
        try show(times, invocation)
        return 0
    }

    private static let actions: [(option: String, action: Schedule.Action)] = [
        ("start", .start), ("stop", .stop), ("restart", .restart), ("deploy", .deploy), ("scale", .scale),
        ("job", .job), ("window", .window), ("call", .http),
    ]

    private static func schedule(_ invocation: Invocation) throws(OrchError) -> Schedule {
        var chosen: [(action: Schedule.Action, target: String)] = []
        for (option, action) in actions {
            if let target = try invocation.text(option) { chosen.append((action, target)) }
        }
        guard let (action, target) = chosen.first, chosen.count == 1 else {
            let options = actions.map { "--\($0.option)" }.joined(separator: ", ")
            throw OrchError(.invalidRequest, "give just one of \(options)")
        }
        var schedule = Schedule(name: try ModuleName(checking: invocation.operands[0]), action: action)
        if action == .http { schedule.url = target } else { schedule.module = try ModuleName(checking: target) }
        schedule.cron = try invocation.text("cron")
        schedule.timeZone = try invocation.text("time-zone")
        schedule.every = try invocation.duration("every")
        schedule.at = try time(invocation)
        schedule.startTime = try invocation.text("from")
        schedule.endTime = try invocation.text("to")
        schedule.days = try invocation.text("days")
        schedule.except = try invocation.text("except").map { $0.split(separator: ",").map(String.init) }
        schedule.replicas = try invocation.integer("replicas")
        schedule.timeout = try invocation.duration("timeout")
        schedule.retries = try invocation.integer("retries")
        schedule.retryDelay = try invocation.duration("retry-delay")
        schedule.concurrency = try invocation.text("concurrency").flatMap(Schedule.Concurrency.init)
        schedule.missed = try invocation.text("missed").flatMap(Schedule.Missed.init)
        schedule.jitter = try invocation.duration("jitter")
        return schedule
    }

    private static func time(_ invocation: Invocation) throws(OrchError) -> Timestamp? {
        guard let text = try invocation.text("at") else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw OrchError(
                .invalidRequest, "--at must be a time, as in 2026-01-31T08:00:00Z, not \(text.quotedOneLine)")
        }
        return time
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
        let rows: [ScheduleRun] = try await invocation.client().call(
            "GET", "\(SchedulerDoor.path)/schedules/\(invocation.operands[0].percentEncoded)/runs",
            query: [("limit", String(try invocation.integer("limit") ?? 20))])
        let columns: [Column<ScheduleRun>] = [
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
    /// A job is answered for when it is over.
    static let scheduleRun = change("run", "Do at once what a schedule is for", "done", timeout: .seconds(86_400))

    private static func change(
        _ word: String, _ summary: String, _ done: String, timeout: TimeSpan = .seconds(60)
    ) -> CommandSpec {
        CommandSpec(
            name: "schedule \(word)", summary: summary,
            operands: [OperandSpec("NAME", "Name of the schedule.")], examples: ["orch schedule \(word) nightly"]
        ) { invocation in
            let name = invocation.operands[0]
            let _: JSONValue = try await invocation.client().call(
                "POST", "\(SchedulerDoor.path)/schedules/\(name.percentEncoded)/\(word)", timeout: timeout)
            invocation.console.note("\(name): \(done)")
            return 0
        }
    }
}
