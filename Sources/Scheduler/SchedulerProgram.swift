import Glibc
import Logging
import ModuleKit
import OrchModel
import OrchSystem
import ServiceLifecycle
import UnixSignals

/// The module `scheduler`. Everything it needs comes from the environment that an instance gets.
package enum SchedulerProgram {
    /// Runs until SIGTERM.
    package static func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let logger = LineLog.logger("scheduler")
        let environment = try ModuleEnvironment(name: "scheduler", dataVariable: "SCHEDULER_DATA_DIR")
        let keeper = ScheduleKeeper(
            store: try ScheduleStore(path: "\(environment.data)/schedules.sqlite"),
            action: AgentAction(agent: environment.agent), logger: logger)
        let files = try ModuleEnvironment.configuration("SCHEDULER_CONFIG", "schedules.yaml").map(ScheduleFiles.init)
        try await keeper.load(configured: try files?.read() ?? ScheduleConfiguration(), at: .now())
        let api = SchedulerAPI(keeper: keeper, token: environment.agentToken).application(
            port: environment.port, logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: Loop { await keeper.run() }),
                    .init(service: Loop { await follow(files, keeper, logger) }), .init(service: api),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private struct Loop: Service {
        let body: @Sendable () async -> Void

        init(_ body: @escaping @Sendable () async -> Void) { self.body = body }

        func run() async { await cancelWhenGracefulShutdown { await body() } }
    }

    private static let lookInterval = Duration.seconds(1)

    /// Takes over what changes in the files, until the task is cancelled. What is wrong is told, and changes nothing.
    private static func follow(_ files: ScheduleFiles?, _ keeper: ScheduleKeeper, _ logger: Logger) async {
        guard let files else { return }
        var known = files.state()
        while (try? await Task.sleep(for: lookInterval)) != nil {
            let state = files.state()
            guard state != known else { continue }
            known = state
            do {
                try await keeper.configure(files.read(), at: .now())
                logger.info("the configuration was read again")
            } catch {
                logger.error(
                    "the configuration is wrong, so that the one before holds", metadata: ["cause": "\(error)"])
            }
        }
    }
}
