import AsyncHTTPClient
import Glibc
import Logging
import NIOCore
import NIOHTTP1
import OrchClient
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
        let logger = Logger(label: "scheduler") { _ in LineLog() }
        let data = variable("SCHEDULER_DATA_DIR") ?? variable("ORCH_DATA_DIR").map { "\($0)/scheduler" } ?? "."
        guard let socket = variable("ORCH_SOCKET"), let tokenFile = variable("ORCH_TOKEN_FILE") else {
            throw OrchError(
                .invalidRequest, "ORCH_SOCKET and ORCH_TOKEN_FILE are not set: start it with 'orch deploy scheduler'")
        }
        let token = try Files.readText(tokenFile).filter { !$0.isWhitespace }
        let keeper = ScheduleKeeper(
            store: ScheduleStore(path: "\(data)/schedules.json"),
            action: AgentAction(agent: AgentClient(door: .socket(path: socket, token: token))), logger: logger)
        let configuration = variable("SCHEDULER_CONFIG") ?? variable("ORCH_CONFIG_DIR").map { "\($0)/schedules.yaml" }
        try await keeper.load(configured: try configuration.map(schedules) ?? [], at: .now())
        let api = SchedulerAPI(keeper: keeper, token: token).application(
            port: variable("PORT").flatMap { Int($0) } ?? 0, logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: Loop(keeper: keeper)), .init(service: api)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    /// Asks the scheduler that runs here whether it is well, as its image's own check does.
    package static func isHealthy() async -> Bool {
        guard let port = variable("PORT"),
            let answer = try? await HTTPClient.shared.execute(
                HTTPClientRequest(url: "http://127.0.0.1:\(port)/health"), timeout: .seconds(2))
        else { return false }
        return answer.status == .ok
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

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Writes each message as a logfmt line, unbuffered.
private struct LineLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\"\($0.value)\"" }.joined()
        StandardStream.output.write("level=\(event.level) msg=\"\(event.message)\"\(pairs)\n")
    }
}
