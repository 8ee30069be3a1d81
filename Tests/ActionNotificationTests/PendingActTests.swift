import Logging
import OrchClient
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import ActionNotification

private struct NoTopics: TopicWriting {
    func write(_ text: String, key: String, to topic: String) async throws(OrchError) {}
}

private struct AnyLine: LineMatching {
    func matcher(pattern: String, fields: [String: String]) throws(OrchError) -> @Sendable (String) -> Bool {
        { _ in true }
    }

    func shape(of line: String) -> String { line }
}

@Suite struct PendingActTests {
    private static let rules = """
        channels: [{name: a, type: command, command: x}]
        rules:
          - {name: bad, match: {events: [instance.exited]}, act: {action: restart}}
        """

    /// A notifier whose agent does not answer.
    private static func notifier(_ store: NotifierStore, _ folder: TemporaryFolder) async throws -> Notifier {
        var settings = try NotifierFile.parse(rules, path: "notifier.yaml")
        settings.rules.removeAll { $0.name != "bad" }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try Notifier(
            settings, matchers: try settings.rules.map { try RuleMatcher($0, AnyLine()) },
            content: try await store.load(),
            store: store, platform: Platform(agent: AgentClient(door: .socket(path: "\(folder.path)/none"))),
            own: "notifier", channels: ChannelPool(store: store, topics: NoTopics(), logger: logger), logger: logger)
    }

    @Test func `what was decided while the agent is away waits, also over a restart`() async throws {
        let folder = TemporaryFolder()
        let store = try NotifierStore(path: "\(folder.path)/notifier.db")
        let place = NotifierStore.Place(topic: "Events", partition: 0)
        let seen = Observation(
            at: .now(), kind: .event("instance.exited"), text: "", module: "shop", instance: "shop-1")
        try await Self.notifier(store, folder).take([seen], offsets: [place: 7])
        #expect(try await store.load().offsets == [place: 7])
        #expect(try await store.acts().map(\.act.module) == ["shop"])
        #expect(try await !store.history(limit: 10).contains { $0.kind == .acted })

        let later = try await Self.notifier(store, folder)
        try await later.take([], offsets: [place: 8])
        let acts = try await store.acts()
        #expect(acts.map(\.act.action.action) == [.restart])
        try await store.removeAct(
            acts[0].id,
            NotificationRecord(at: .now(), kind: .acted, incident: acts[0].act.incident, text: "restart shop"))
        #expect(try await store.acts().isEmpty)
        #expect(try await store.history(limit: 10).first?.text == "restart shop")
    }
}
