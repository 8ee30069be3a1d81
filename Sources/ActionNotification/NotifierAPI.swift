import Hummingbird
import Logging
import ModuleKit
import OrchModel
import OrchModuleFile
import OrchSystem

/// The notifier's HTTP interface, asked through the agent.
struct NotifierAPI: Sendable {
    private static let longestSilence = TimeSpan.seconds(365 * 86_400)

    private struct SilenceRequest: Decodable {
        var rule: String?
        var module: String?
        var span: TimeSpan
        var reason: String?
    }

    private struct CheckRequest: Decodable {
        var file: String
        var path: String
    }

    private struct Acknowledgement: Decodable { var by: String? }

    let notifier: Notifier
    let store: NotifierStore
    let rules: RulesSource
    let token: String

    func application(port: Int, logger: Logger) -> some ApplicationProtocol {
        let router = ModuleAPI.router(token: token, metrics: metrics, page: page) { group in
            group.get("v1/incidents") { request, _ in
                let all = await notifier.incidents
                let wantsAll = request.uri.queryParameters["all"] == "true"
                return try ModuleAPI.answer(wantsAll ? all : all.filter { $0.state == .open })
            }
            group.post("v1/incidents/:id/ack") { request, context in
                let body = try? await request.decode(as: Acknowledgement.self, context: context)
                return try ModuleAPI.answer(
                    await notifier.acknowledge(context.parameters.require("id"), by: body?.by ?? "somebody"))
            }
            addSilences(to: group)
            group.get("v1/channels") { _, _ in
                try ModuleAPI.answer(await channels())
            }
            group.post("v1/channels/:name/test") { _, context in
                try await notifier.test(context.parameters.require("name"))
                return try ModuleAPI.answer(["status": "sent"], status: .accepted)
            }
            group.get("v1/history") { request, _ in
                let limit = request.uri.queryParameters["limit"].flatMap { Int($0) } ?? 50
                return try ModuleAPI.answer(await store.history(limit: min(max(limit, 1), 1000)))
            }
            group.get("v1/rules") { _, _ in try ModuleAPI.answer(await notifier.rules) }
            group.get("v1/rules/file") { _, _ in try ModuleAPI.answer(rules.file()) }
            group.post("v1/rules/apply") { request, context in
                let body = try await request.decode(as: CheckRequest.self, context: context)
                let mistakes = rules.mistakes(in: body.file, path: body.path)
                if mistakes.isEmpty { try rules.replace(with: body.file, path: body.path) }
                return try ModuleAPI.answer(mistakes)
            }
            group.post("v1/rules/check") { request, context in
                let body = try await request.decode(as: CheckRequest.self, context: context)
                return try ModuleAPI.answer(rules.mistakes(in: body.file, path: body.path))
            }
        }
        return Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    }

    private func channels() async throws -> [ChannelView] {
        let waiting = try await store.waiting
        return await notifier.channelSettings.map {
            ChannelView(name: $0.name, type: $0.type.rawValue, waiting: waiting[$0.name] ?? 0)
        }
    }

    private func page() async throws -> ModulePage {
        let incidents = await notifier.incidents.reversed().map { incident in
            [
                incident.id, incident.severity.rawValue, incident.rule, incident.module, incident.state.rawValue,
                incident.openedAt.rfc3339(decimals: 0), incident.acknowledgedBy ?? "",
            ]
        }
        let channels = try await channels().map { [$0.name, $0.type, String($0.waiting)] }
        return ModulePage(
            title: "Action and notification manager",
            tables: [
                .init(
                    heading: "Incidents",
                    columns: ["Incident", "Severity", "Rule", "Module", "State", "Since", "Looked after by"],
                    rows: Array(incidents), empty: "None so far."),
                .init(
                    heading: "Channels", columns: ["Channel", "Type", "Waiting"], rows: channels,
                    empty: "None are set: nobody is told."),
            ])
    }

    private func metrics() async throws -> String {
        let (incidents, channels) = (await notifier.incidents, try await channels())
        var text = MetricsText()
        let open = Dictionary(grouping: incidents.filter { $0.state == .open }, by: \.severity.rawValue)
        text.add(
            "notifier_incidents_open", .gauge, "Incidents that are open, by severity.",
            open.sorted { $0.key < $1.key }.map { (["severity": $0.key], Double($0.value.count)) })
        text.add("notifier_rules", .gauge, "Rules that hold.", Double(await notifier.rules.count))
        text.add(
            "notifier_messages_waiting", .gauge, "Messages that have not arrived yet, by channel.",
            channels.map { (["channel": $0.name], Double($0.waiting)) })
        return text.content
    }

    private func addSilences(to group: ModuleAPI.Group) {
        group.get("v1/silences") { _, _ in try ModuleAPI.answer(await notifier.silences) }
        group.post("v1/silences") { request, context in
            let body = try await request.decode(as: SilenceRequest.self, context: context)
            guard body.span > .zero, body.span <= Self.longestSilence else {
                throw OrchError(.invalidRequest, "a silence lasts from 1ns to \(Self.longestSilence)")
            }
            let now = Timestamp.now()
            let silence = Silence(
                id: "s-\(now.nanoseconds)", rule: body.rule ?? "", module: body.module ?? "", until: now + body.span,
                reason: body.reason ?? "")
            try await notifier.silence(silence)
            return try ModuleAPI.answer(silence, status: .created)
        }
        group.delete("v1/silences/:id") { _, context in
            try await notifier.removeSilence(context.parameters.require("id"))
            return try ModuleAPI.answer(["status": "removed"])
        }
    }
}
