import FoundationEssentials
import OrchModel

/// What the scheduler and the action and notification manager do, where they are deployed.
struct AutomationPage: Page {
    let address: PageAddress
    let title = "Schedules and notifications"
    let menu = Menu.automation
    let still: Set<String> = ["schedule-form"]
    /// Modules do not tell the agent what they do.
    let pace: Duration? = .seconds(2)

    private static let scheduler = ModuleName(unchecked: "scheduler")
    private static let notifier = ModuleName(unchecked: "action-notification")

    func parts(_ view: PageView) async throws -> [PagePart] {
        [
            view.part("schedules", "schedules", await schedules(view.plane)),
            view.part("schedule-form", "schedule-form", ["actions": Schedule.Action.allCases.map(\.rawValue)]),
            view.part("notifications", "notifications", await notifications(view.plane)),
        ]
    }

    private func schedules(_ plane: any ControlPlane) async -> Fields {
        do {
            let value = try await plane.ask(Self.scheduler, "v1/schedules")
            let schedules = try JSONDecoder().decode([ScheduleView].self, from: JSONEncoder().encode(value))
            return [
                "schedules": schedules.map(Self.schedule), "none": schedules.isEmpty, "there": true,
                "here": menu.rawValue,
            ]
        } catch {
            return missing(Self.scheduler, error)
        }
    }

    private static func schedule(_ view: ScheduleView) -> Fields {
        Fields(present: [
            "name": view.schedule.name, "times": view.schedule.times, "act": view.schedule.act,
            "except": view.schedule.except?.joined(separator: ", "), "next": view.next.map(Wording.time),
            "last": view.lastRun.map { Wording.time($0.due) }, "outcome": view.lastRun?.outcome,
            "failed": view.lastRun?.outcome.map { $0 != "done" } ?? false, "paused": view.isPaused,
            "running": view.isRunning, "problem": view.problem,
        ])
    }

    private func notifications(_ plane: any ControlPlane) async -> Fields {
        do {
            let incidents = try await plane.ask(Self.notifier, "v1/incidents?all=true").array
            let channels = try await plane.ask(Self.notifier, "v1/channels").array
            let silences = try await plane.ask(Self.notifier, "v1/silences").array
            let rules = try await plane.ask(Self.notifier, "v1/rules").array
            let history = try await plane.ask(Self.notifier, "v1/history?limit=30").array
            return [
                "there": true, "here": menu.rawValue,
                "incidents": incidents.map { incident in
                    Fields(present: [
                        "id": incident["id"]?.text, "rule": incident["rule"]?.text, "module": incident["module"]?.text,
                        "severity": incident["severity"]?.text, "state": incident["state"]?.text,
                        "open": incident["state"]?.text == "open", "text": incident["text"]?.text,
                        "count": incident["count"]?.text, "at": incident["opened_at"]?.time.map(Wording.time),
                        "by": incident["acknowledged_by"]?.text,
                        "canAcknowledge": incident["state"]?.text == "open" && incident["acknowledged_by"]?.text == nil,
                    ])
                }.reversed() as [Fields], "quiet": incidents.isEmpty,
                "channels": channels.map { channel in
                    Fields(present: [
                        "name": channel["name"]?.text, "type": channel["type"]?.text,
                        "waiting": channel["waiting"]?.text,
                    ])
                }, "noChannels": channels.isEmpty,
                "silences": silences.map { silence in
                    Fields(present: [
                        "id": silence["id"]?.text, "rule": silence["rule"]?.text, "module": silence["module"]?.text,
                        "until": silence["until"]?.time.map(Wording.time), "reason": silence["reason"]?.text,
                    ])
                }, "hasSilences": !silences.isEmpty,
                "rules": rules.map { rule in
                    Fields(present: [
                        "name": rule["name"]?.text, "severity": rule["severity"]?.text, "advice": rule["advice"]?.text,
                    ])
                },
                "history": history.map { entry in
                    Fields(present: [
                        "at": entry["at"]?.time.map(Wording.time), "kind": entry["kind"]?.text,
                        "incident": entry["incident"]?.text, "text": entry["text"]?.text,
                    ])
                }, "hasHistory": !history.isEmpty,
            ]
        } catch {
            return missing(Self.notifier, error)
        }
    }

    private func missing(_ module: ModuleName, _ error: any Error) -> Fields {
        let refusal = OrchError(wrapping: error, "\(module) cannot be asked")
        return ["there": false, "module": module, "deployable": refusal.code == .notFound, "why": refusal.message]
    }
}

extension JSONValue {
    fileprivate var array: [JSONValue] {
        if case .array(let values) = self { return values }
        return []
    }

    /// A text, or a number as one.
    fileprivate var text: String? {
        switch self {
        case .string(let text): text.isEmpty ? nil : text
        case .integer(let number): String(number)
        default: nil
        }
    }

    fileprivate var time: Timestamp? { text.flatMap { Timestamp(rfc3339: $0) } }
}
