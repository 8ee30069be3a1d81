import OrchModel

/// What an agent is started with.
package struct AgentSettings: Sendable {
    /// Absolute; made when it does not exist.
    package var dataDirectory: String
    /// The Unix socket of the API.
    package var socket: String
    /// A port of loopback for the API, with a token; `nil` for none, 0 for a free one.
    package var httpPort: Int?
    /// `host:port,…` of a Kafka cluster; `nil` for the embedded broker.
    package var kafka: String?
    /// The embedded broker's port; 0 for a free one.
    package var brokerPort: Int
    package var logLevel: String
    /// Whether instances are stopped when the agent is.
    package var stopsInstances: Bool

    package init(
        dataDirectory: String, socket: String?, httpPort: Int?, kafka: String?, brokerPort: Int, logLevel: String,
        stopsInstances: Bool
    ) {
        self.dataDirectory = dataDirectory
        self.socket = socket ?? AgentPaths.socket(in: dataDirectory)
        self.httpPort = httpPort
        self.kafka = kafka
        self.brokerPort = brokerPort
        self.logLevel = logLevel
        self.stopsInstances = stopsInstances
    }
}
