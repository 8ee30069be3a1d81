import Glibc
import Logging
import ModuleKit
import OrchModel
import OrchSystem
import ServiceLifecycle
import UnixSignals
import Yams

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
        let configuration = ModuleEnvironment.configuration("SCHEDULER_CONFIG", "schedules.yaml")
        try await keeper.load(configured: try configuration.map(schedules) ?? [], at: .now())
        let api = SchedulerAPI(keeper: keeper, token: environment.agentToken).application(
            port: environment.port, logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: Loop(keeper: keeper)), .init(service: api)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private struct Loop: Service {
        let keeper: ScheduleKeeper

        func run() async { await cancelWhenGracefulShutdown { await keeper.run() } }
    }

    private struct Configuration: Codable {
        var schedules: [Schedule]
    }

    /// - Throws: `invalidRequest` that names the file. No file means no schedules.
    private static func schedules(_ path: String) throws -> [Schedule] {
        guard Files.exists(path) else { return [] }
        do {
            return try YAMLDecoder().decode(Configuration.self, from: Files.readText(path)).schedules
        } catch {
            throw OrchError(.invalidRequest, "\(path): \(error)", cause: error)
        }
    }
}
