import FoundationEssentials
import Hummingbird
import NIOHTTP1
import OrchModel
import RequestManager

/// What the page of schedules and notifications changes, by asking the modules that keep them.
extension WebRoutes {
    private static let scheduler = ModuleName(unchecked: "scheduler")
    private static let notifier = ModuleName(unchecked: "action-notification")
    /// Who acknowledges, in the eyes of the notifier.
    private static let person: JSONValue = ["by": "browser"]

    func addAutomation(to group: RouterGroup<APIContext>) {
        addSchedules(to: group)
        addNotifications(to: group)
    }

    // MARK: Schedules

    private func addSchedules(to group: RouterGroup<APIContext>) {
        post("Schedules", in: group) { form, _ in
            let name = try ModuleName(checking: form["name"] ?? "")
            let isEdited = form["edited"] == name.rawValue
            if !isEdited, try await isSchedule(name) {
                throw OrchError(
                    .conflict,
                    "there is a schedule \(name) already: 'Edit' in its row changes it, another name adds one")
            }
            _ = try await agent.ask(Self.scheduler, .PUT, "v1/schedules/\(name)", body: Self.schedule(form))
            return Done(message: "\(name) is set.", go: isEdited ? form.next : nil)
        }
        post("Schedules/preview", in: group) { form, _ in
            // It can be shown before it has a name.
            let schedule = Self.schedule(form, name: form["name"] ?? "preview")
            let answer = try await agent.ask(Self.scheduler, .POST, "v1/preview", body: schedule)
            guard case .array(let times) = answer else { return Done(times: []) }
            return Done(
                times: times.compactMap { if case .string(let text) = $0 { Timestamp(rfc3339: text) } else { nil } }.map
                {
                    "\($0.rfc3339(decimals: 0).replacing("T", with: " ").replacing("Z", with: " UTC"))"
                })
        }
        for word in ["run", "pause", "resume"] {
            post("Schedules/:name/\(word)", in: group) { _, context in
                let name = try context.name(ModuleName.self, "name")
                _ = try await agent.ask(Self.scheduler, .POST, "v1/schedules/\(name)/\(word)", body: nil)
                return Done(message: "\(name): done.")
            }
        }
        post("Schedules/:name/remove", in: group) { _, context in
            let name = try context.name(ModuleName.self, "name")
            _ = try await agent.ask(Self.scheduler, .DELETE, "v1/schedules/\(name)", body: nil)
            return Done(message: "\(name) is gone.")
        }
    }

    private func isSchedule(_ name: ModuleName) async throws -> Bool {
        do {
            _ = try await agent.ask(Self.scheduler, .GET, "v1/schedules/\(name)", body: nil)
            return true
        } catch let error as OrchError where error.code == .notFound {
            return false
        }
    }

    private static func schedule(_ form: FormBody, name: String? = nil) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for key in Schedule.CodingKeys.allCases.map(\.rawValue) {
            guard let text = form[key] else { continue }
            switch key {
            case "replicas", "retries": members[key] = Int64(text).map(JSONValue.integer) ?? .string(text)
            case "except":
                let words = text.split(whereSeparator: { $0 == "," || $0.isWhitespace })
                members[key] = .array(words.map { .string(String($0)) })
            default: members[key] = .string(text)
            }
        }
        if let name { members["name"] = .string(name) }
        return .object(members)
    }

    // MARK: Notifications

    private func addNotifications(to group: RouterGroup<APIContext>) {
        let acts: [(path: String, method: HTTPMethod, request: String, words: String)] = [
            ("Incidents/:id/acknowledge", .POST, "v1/incidents/%/ack", "You look after it."),
            ("Channels/:id/test", .POST, "v1/channels/%/test", "A test is on its way."),
            ("Silences/:id/remove", .DELETE, "v1/silences/%", "The silence is over."),
        ]
        for act in acts {
            post(act.path, in: group) { _, context in
                let id = try context.parameters.require("id").percentDecoded.percentEncoded
                let path = act.request.replacing("%", with: id)
                _ = try await agent.ask(Self.notifier, act.method, path, body: Self.person)
                return Done(message: act.words)
            }
        }
        post("Silences", in: group) { form, _ in
            let fields = ["span", "rule", "module", "reason"].map { ($0, JSONValue.string(form[$0] ?? "")) }
            _ = try await agent.ask(
                Self.notifier, .POST, "v1/silences", body: .object(Dictionary(uniqueKeysWithValues: fields)))
            return Done(message: "Nobody is told for \(form["span"] ?? "").")
        }
        group.post("Rules/check") { request, context in
            try await JSONAnswer.response(mistakes(FormBody(request, context), "check"))
        }
        post("Rules", in: group) { form, _ in
            if let mistake = try await mistakes(form, "apply").first {
                throw OrchError(.invalidRequest, "line \(mistake.line): \(mistake.message)")
            }
            return Done(message: "Applied.")
        }
    }

    /// Has the notifier check or apply its settings.
    private func mistakes(_ form: FormBody, _ word: String) async throws -> [FileMistake] {
        let answer = try await agent.ask(
            Self.notifier, .POST, "v1/rules/\(word)",
            body: ["file": .string(form["file"] ?? ""), "path": "notifier.yaml"])
        return try JSONDecoder().decode([FileMistake].self, from: JSONEncoder().encode(answer))
    }
}
