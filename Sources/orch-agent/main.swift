import Glibc
import OrchAgent
import OrchCLI
import OrchModel
import OrchSystem

let words = Array(CommandLine.arguments.dropFirst())
do {
    if words.first == "validate" {
        exit(ModuleCheck.run(words.dropFirst().map(\.self)))
    }
    guard let line = try AgentCommandLine(words) else { exit(0) }
    var broker = BrokerOptions()
    broker.syncsAlways = line.brokerSyncsAlways
    broker.retentionBytes = line.brokerRetentionBytes
    broker.retention = line.brokerRetention
    try await Agent.run(
        AgentSettings(
            dataDirectory: line.dataDirectory, socket: line.socket, httpPort: line.httpPort, kafka: line.kafka,
            kafkaConfig: line.kafkaConfig, brokerPort: line.brokerPort, broker: broker,
            artifactSize: line.artifactSize, logLevel: line.logLevel, stopsInstances: line.stopsInstances))
    // Threads of libraries still run, and must not find their memory taken down.
    _exit(0)
} catch {
    let error = OrchError(wrapping: error, "the agent cannot start: \(error)")
    StandardStream.error.write("orch-agent: \(error.message)\n")
    exit(error.code.exitStatus)
}
