import Glibc
import OrchModel
import OrchSystem

extension CommandSpec {
    static let agent = CommandSpec(
        name: "agent", summary: "Run an agent in the foreground",
        discussion: "The agent keeps everything in its data directory, and its instances run on when it ends.",
        options: AgentOptions.all,
        examples: ["orch agent", "orch agent --data-dir ./state --kafka broker1:9092,broker2:9092"]
    ) { invocation in
        let program = Files.sibling("orch-agent")
        let words = try AgentOptions.arguments(invocation)
        // The agent takes this process over, so that its signals and its terminal are the ones it was started with.
        var pointers: [UnsafeMutablePointer<CChar>?] = ([program] + words).map { strdup($0) } + [nil]
        execv(program, &pointers)
        throw OrchError(.failed, "\(program) cannot be started: \(SystemError.reason(errno))")
    }
}

/// The options of an agent, which `orch agent`, `orch bootstrap` and `orch-agent` share.
package enum AgentOptions {
    static let all: [OptionSpec] = [
        OptionSpec(
            "http-port", nil, .integer(0...65535), "PORT",
            "Also serve the API at this port of loopback, with a token; 0 for a free one."),
        OptionSpec(
            "kafka", nil, .text, "BROKERS", "Log to this Kafka cluster (host:port,...) instead of the embedded broker."),
        OptionSpec(
            "kafka-config", nil, .file, "FILE",
            "How to reach that cluster: lines 'name=value' with librdkafka's names, as security.protocol, sasl.mechanisms, sasl.username, sasl.password, ssl.ca.location."
        ),
        OptionSpec(
            "broker-port", nil, .integer(0...65535), "PORT",
            "Port of the embedded broker; by default a free one, kept over restarts."),
        OptionSpec(
            "broker-sync", nil, .choice(["interval", "always"]), "POLICY",
            "When the embedded broker's records are synced to disk: interval, within a second, or always, before they are acknowledged."
        ),
        OptionSpec(
            "broker-retention-size", nil, .size, "SIZE",
            "The most that a topic keeps in the embedded broker; 1G by default."),
        OptionSpec(
            "broker-retention-time", nil, .duration, "SPAN",
            "How long the embedded broker keeps a record; 168h by default."),
        OptionSpec(
            "artifact-size", nil, .size, "SIZE",
            "The most that an artifact in the repository may have, packed or unpacked; 8G by default."),
        OptionSpec(
            "log-level", nil, .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "LEVEL",
            "What the agent's own modules log; info by default."),
        OptionSpec("stop-instances", nil, "Stop all instances when the agent ends."),
    ]

    /// The settings of a command as words for `orch-agent`.
    static func arguments(_ invocation: Invocation) throws(OrchError) -> [String] {
        var words = ["--data-dir", try invocation.dataDirectory, "--socket", try invocation.socket]
        for option in all {
            guard let value = try invocation.text(option.name) else { continue }
            // The agent may run in another directory.
            let absolute = if case .file = option.kind { Files.resolve(value, in: invocation.directory) } else { value }
            words += option.isFlag ? (value == "true" ? ["--\(option.name)"] : []) : ["--\(option.name)", absolute]
        }
        return words
    }
}
