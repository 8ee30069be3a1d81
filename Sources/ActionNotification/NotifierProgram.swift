import Glibc
import Logging
import ModuleKit
import OrchModel
import OrchSystem
import ServiceLifecycle
import UnixSignals

/// The module `action-notification`. Everything it needs comes from the environment that an instance gets.
package enum NotifierProgram {
    /// Runs until SIGTERM.
    ///
    /// - Throws: what is wrong with the rules, or with where it keeps what it knows.
    package static func run(matching: any LineMatching) async throws {
        signal(SIGPIPE, SIG_IGN)
        let logger = LineLog.logger("notifier")
        let environment = try ModuleEnvironment(name: "action-notification", dataVariable: "NOTIFIER_DATA_DIR")
        try Files.makeFolder(environment.data)
        let rules = RulesSource(
            given: try ModuleEnvironment.configuration("NOTIFIER_CONFIG", NotifierFile.fileName),
            data: environment.data, matching: matching, logger: logger)
        let (settings, matchers) = try rules.read()
        let store = try NotifierStore(path: "\(environment.data)/notifier.db")
        let content = try await store.load()
        let platform = Platform(agent: environment.agent)
        let topics = try TopicProducer(platform: platform)
        let channels = ChannelPool(store: store, topics: topics, logger: logger)
        try await channels.use(settings.channels)
        let notifier = try Notifier(
            settings, matchers: matchers, content: content, store: store, platform: platform, own: environment.module,
            channels: channels, logger: logger)
        let state = FeedState(offsets: content.offsets)
        let feed = EventFeed(
            notifier: notifier, platform: platform, matching: matching, state: state, own: environment.module,
            logger: logger)
        let api = NotifierAPI(notifier: notifier, store: store, rules: rules, token: environment.agentToken)
            .application(port: environment.port, logger: logger)
        logger.info("\(settings.rules.count) rules, \(settings.channels.count) channels")

        let services: [any Service] = [
            Loop { await channels.run() }, Loop { try await notifier.run { state.isCurrent } },
            Loop { try await feed.run() },
            Loop { await rules.follow(notifier) }, api,
        ]
        let group = ServiceGroup(
            configuration: .init(
                services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger))
        try await group.run()
        topics.close()
    }

    private struct Loop: Service {
        let body: @Sendable () async throws -> Void

        func run() async throws { try await cancelWhenGracefulShutdown(body) }
    }
}
