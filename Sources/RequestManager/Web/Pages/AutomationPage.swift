import FoundationEssentials
import OrchModel

/// What the scheduler and the action and notification manager do, where they are deployed.
struct AutomationPage: Page {
    let address: PageAddress
    let title = "Schedules and notifications"
    let menu = Menu.automation
    let still: Set<String> = ["schedules-search", "schedule-form", "silence-form", "rules-form"]
    /// Modules do not tell the agent what they do.
    let pace: Duration? = .seconds(2)

    private static let scheduler = ModuleName(unchecked: "scheduler")
    private static let notifier = ModuleName(unchecked: "action-notification")
    private static let shownHistory = 30
    /// There may be a hundred thousand.
    private static let shownSchedules = 200

    func parts(_ view: PageView) async throws -> [PagePart] {
        let schedules = await schedules(view.plane)
        let rules = await rulesForm(view.plane)
        return [
            view.part(
                "schedules-search", "schedules-search",
                Fields(present: ["there": schedules["there"], "q": address["q"]])),
            view.part("schedules", "schedules", schedules),
            view.part("schedule-form", "schedule-form", await scheduleForm(view.plane)),
            view.part("notifications", "notifications", await notifications(view.plane)),
            view.part("silence-form", "silence-form", rules),
            view.part("rules-form", "rules-form", rules),
        ]
    }

    func livingParts(_ view: PageView) async throws -> [PagePart] {
        [
            view.part("schedules", "schedules", await schedules(view.plane)),
            view.part("notifications", "notifications", await notifications(view.plane)),
        ]
    }

    // MARK: Schedules

    private func schedules(_ plane: any ControlPlane) async -> Fields {
        do {
            let word = address["q"] ?? ""
            let schedules: [ScheduleView] = try await plane.ask(
                Self.scheduler, for: "v1/schedules?limit=\(Self.shownSchedules + 1)&q=\(word.percentEncoded)")
            return [
                "schedules": schedules.prefix(Self.shownSchedules).map {
                    Self.row($0, edit: address.with(["edit": $0.schedule.name.rawValue]))
                },
                "shown": Self.shownSchedules, "more": schedules.count > Self.shownSchedules,
                "none": schedules.isEmpty, "isFound": !word.isEmpty, "there": true, "here": menu.rawValue,
            ]
        } catch {
            return missing(Self.scheduler, error)
        }
    }

    private static func row(_ view: ScheduleView, edit: String) -> Fields {
        let fields = Fields(present: [
            "name": view.schedule.name, "times": view.schedule.times, "act": view.schedule.act,
            "except": view.schedule.except?.joined(separator: ", "), "next": view.next.map(Wording.time),
            "last": view.lastRun.map { Wording.time($0.due) }, "outcome": view.lastRun?.outcome,
            "failed": view.lastRun?.outcome.map { $0 != "done" } ?? false, "paused": view.isPaused,
            "running": view.isRunning, "problem": view.problem, "edit": edit,
        ])
        return ["except": false, "next": false, "last": false, "problem": false].merging(fields) { $1 }
    }

    /// A schedule to fill in; the one to be edited where there is one.
    private func scheduleForm(_ plane: any ControlPlane) async -> Fields {
        var fields: Fields = [:]
        if let name = address["edit"],
            let view: ScheduleView = try? await plane.ask(Self.scheduler, for: "v1/schedules/\(name.percentEncoded)"),
            case .object(let members)? = try? JSONDecoder().decode(
                JSONValue.self, from: JSONEncoder().encode(view.schedule))
        {
            fields = members.mapValues(\.words)
            fields["edited"] = name
        }
        func choices(_ values: [String], _ key: String) -> [Fields] {
            values.map { ["value": $0, "chosen": $0 == fields[key] as? String] }
        }
        let actions = choices(Schedule.Action.allCases.map(\.rawValue), "action")
        let missed = choices(Schedule.Missed.allCases.map(\.rawValue), "missed")
        let concurrency = choices(Schedule.Concurrency.allCases.map(\.rawValue), "concurrency")
        fields["actions"] = actions
        fields["misseds"] = missed
        fields["concurrencies"] = concurrency
        return fields
    }

    // MARK: Notifications

    private func notifications(_ plane: any ControlPlane) async -> Fields {
        do {
            let incidents: [IncidentView] = try await plane.ask(Self.notifier, for: "v1/incidents?all=true")
            let channels: [ChannelView] = try await plane.ask(Self.notifier, for: "v1/channels")
            let silences: [Silence] = try await plane.ask(Self.notifier, for: "v1/silences")
            let rules: [RuleView] = try await plane.ask(Self.notifier, for: "v1/rules")
            let history: [NotificationRecord] = try await plane.ask(
                Self.notifier, for: "v1/history?limit=\(Self.shownHistory)")
            return [
                "there": true, "here": menu.rawValue, "incidents": incidents.map(Self.row),
                "quiet": incidents.isEmpty,
                "channels": channels.map { ["name": $0.name, "type": $0.type, "waiting": $0.waiting] as Fields },
                "noChannels": channels.isEmpty, "silences": silences.map(Self.row), "hasSilences": !silences.isEmpty,
                "rules": rules.map { ["name": $0.name, "severity": $0.severity, "advice": $0.advice] as Fields },
                "history": history.map {
                    [
                        "at": Wording.time($0.at), "kind": $0.kind.rawValue, "incident": $0.incident, "text": $0.text,
                    ] as Fields
                },
                "hasHistory": !history.isEmpty,
            ]
        } catch {
            return missing(Self.notifier, error)
        }
    }

    private static func row(_ incident: IncidentView) -> Fields {
        let isOpen = incident.state == .open
        return [
            "id": incident.id, "rule": incident.rule, "module": incident.module, "severity": incident.severity,
            "state": incident.state.rawValue, "open": isOpen, "text": incident.text, "count": incident.count,
            "at": Wording.time(incident.openedAt), "by": incident.acknowledgedBy ?? false,
            "canAcknowledge": isOpen && incident.acknowledgedBy == nil,
        ]
    }

    private static func row(_ silence: Silence) -> Fields {
        ["rule": false, "module": false].merging(
            Fields(present: [
                "id": silence.id, "rule": silence.rule, "module": silence.module, "until": Wording.time(silence.until),
                "reason": silence.reason,
            ])
        ) { $1 }
    }

    private func rulesForm(_ plane: any ControlPlane) async -> Fields {
        guard let file: NotifierFileView = try? await plane.ask(Self.notifier, for: "v1/rules/file") else {
            return ["there": false]
        }
        return ["there": true, "file": file.text, "path": file.path, "isKept": file.isKept]
    }

    private func missing(_ module: ModuleName, _ error: any Error) -> Fields {
        let refusal = OrchError(wrapping: error, "\(module) cannot be asked")
        return ["there": false, "module": module, "deployable": refusal.code == .notFound, "why": refusal.message]
    }
}

extension ControlPlane {
    /// What a module of the control plane answers.
    ///
    /// - Throws: `unavailable` when none of its instances is up, and what it refuses.
    func ask<Answer: Decodable>(_ module: ModuleName, for path: String) async throws -> Answer {
        try JSONDecoder().decode(Answer.self, from: JSONEncoder().encode(try await ask(module, path)))
    }
}

extension JSONValue {
    /// A value as somebody writes it into a field.
    fileprivate var words: String {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .array(let values): values.map(\.words).joined(separator: ", ")
        default: ""
        }
    }
}
