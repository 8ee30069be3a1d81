import Glibc
import Logging
import ModuleKit
import OrchModel
import OrchModuleFile
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
        let file = ModuleEnvironment.configuration("NOTIFIER_CONFIG", NotifierFile.fileName)
        let settings = try read(file)
        let matchers = try settings.rules.map { rule throws(OrchError) in try RuleMatcher(rule, matching) }
        try Files.makeFolder(environment.data)
        let store = try NotifierStore(path: "\(environment.data)/notifier.db")
        let content = try await store.load()
        let platform = Platform(agent: environment.agent)
        let topics = try TopicProducer(platform: platform)

        var workers: [ChannelWorker] = []
        for channel in settings.channels {
            workers.append(
                ChannelWorker(
                    settings: channel, channel: try Channels.make(channel, topics: topics), store: store,
                    news: Signal(),
                    logger: logger))
        }
        let notifier = try Notifier(
            settings, matchers: matchers, content: content, store: store, platform: platform, own: environment.module,
            workers: Dictionary(uniqueKeysWithValues: workers.map { ($0.settings.name, $0.news) }), logger: logger)
        let feed = EventFeed(
            notifier: notifier, platform: platform, matching: matching, offsets: content.offsets,
            own: environment.module, logger: logger)
        let api = NotifierAPI(notifier: notifier, store: store, channels: settings.channels, token: environment.token)
            .application(port: environment.port, logger: logger)
        logger.info("\(settings.rules.count) rules, \(settings.channels.count) channels")

        var services: [ServiceGroupConfiguration.ServiceConfiguration] = workers.map { worker in
            .init(service: Loop { await worker.run() })
        }
        services.append(.init(service: Loop { try await notifier.run() }))
        services.append(.init(service: Loop { try await feed.run() }))
        services.append(.init(service: Loop { await reload(file, notifier, matching, logger) }))
        services.append(.init(service: api))
        let group = ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        topics.close()
    }

    private struct Loop: Service {
        let body: @Sendable () async throws -> Void

        func run() async throws { try await cancelWhenGracefulShutdown(body) }
    }

    /// - Parameter path: a file that is not there stands for no settings of one's own.
    private static func read(_ path: String?) throws -> NotifierSettings {
        let text = path.flatMap { Files.exists($0) ? $0 : nil }.map { path in Result { try Files.readText(path) } }
        return try NotifierFile.parse(try text?.get() ?? "", path: path ?? NotifierFile.fileName)
    }

    // MARK: Rules that change

    private static let lookInterval = Duration.seconds(1)

    /// Takes changed rules over; a file with a mistake changes nothing.
    private static func reload(
        _ path: String?, _ notifier: Notifier, _ matching: any LineMatching, _ logger: Logger
    ) async {
        guard let path else { return }
        var known = stamp(path)
        while (try? await Task.sleep(for: lookInterval)) != nil {
            let current = stamp(path)
            guard current != known else { continue }
            known = current
            do {
                let settings = try read(path)
                let matchers = try settings.rules.map { rule throws(OrchError) in try RuleMatcher(rule, matching) }
                try await notifier.use(settings, matchers: matchers)
                logger.info("the rules were changed", metadata: ["rules": "\(settings.rules.count)"])
            } catch let error as ModuleFileError {
                for mistake in error.diagnostics {
                    logger.error("the rules before stay", metadata: ["mistake": "\(mistake)"])
                }
            } catch {
                logger.error("the rules before stay", metadata: ["cause": "\(error)"])
            }
        }
    }

    private static func stamp(_ path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "" }
        return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}
