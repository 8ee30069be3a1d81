package import OrchModel
import OrchSystem

/// The command line of `orch-agent`, which takes the options of `orch agent`.
package struct AgentCommandLine: Sendable {
    package var dataDirectory: String
    package var socket: String
    package var httpPort: Int?
    package var kafka: String?
    package var kafkaConfig: String?
    package var brokerPort: Int
    /// Whether the broker's records are on disk before they are acknowledged.
    package var brokerSyncsAlways: Bool
    package var brokerRetentionBytes: Int?
    package var brokerRetention: TimeSpan?
    /// Bytes that an artifact may have.
    package var artifactSize: Int64?
    package var logLevel: String
    package var stopsInstances: Bool

    /// - Returns: `nil` when help or the version was asked for, and printed.
    /// - Throws: `invalidRequest` for wrong words.
    package init?(_ words: [String]) throws {
        let environment = CLI.currentEnvironment()
        let console = Console(format: nil, color: nil, isQuiet: false, environment: environment)
        switch try CommandLineParser(commands: [.agent]).parse(["agent"] + words) {
        case .help:
            try console.print(HelpText.page(.agent))
            return nil
        case .version:
            try console.print("orch-agent \(OrchVersion.current)")
            return nil
        case .run(let parsed):
            let directory = Files.canonical(".") ?? "/"
            let settings = try Settings(
                parsed, environment: environment, directory: directory, commands: CommandTable.all)
            let invocation = Invocation(
                parsed: parsed, settings: settings, environment: environment, directory: directory, console: console)
            dataDirectory = try invocation.dataDirectory
            socket = try invocation.socket
            httpPort = try invocation.integer("http-port")
            kafka = try invocation.text("kafka")
            kafkaConfig = try invocation.text("kafka-config").map { Files.resolve($0, in: directory) }
            if kafkaConfig != nil, kafka == nil {
                throw OrchError(.invalidRequest, "--kafka-config says how to reach a cluster: name it with --kafka")
            }
            brokerPort = try invocation.integer("broker-port") ?? 0
            brokerSyncsAlways = try invocation.text("broker-sync") == "always"
            brokerRetentionBytes = try invocation.text("broker-retention-size").flatMap(ByteSize.init).map {
                Int($0.bytes)
            }
            brokerRetention = try invocation.duration("broker-retention-time")
            artifactSize = try invocation.text("artifact-size").flatMap(ByteSize.init)?.bytes
            logLevel = try invocation.text("log-level") ?? "info"
            stopsInstances = try invocation.flag("stop-instances")
        }
    }
}
