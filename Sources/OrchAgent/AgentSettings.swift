package import OrchModel

/// What can be set of the embedded broker; `nil` for its own default.
package struct BrokerOptions: Sendable {
    /// Whether records are on disk before they are acknowledged, instead of a second later at most.
    package var syncsAlways = false
    /// Bytes that a topic's partition may take.
    package var retentionBytes: Int?
    package var retention: TimeSpan?

    package init() {}
}

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
    /// A file with further settings for the cluster, such as how to sign in; `nil` for none.
    package var kafkaConfig: String?
    /// The embedded broker's port; 0 for a free one.
    package var brokerPort: Int
    package var broker: BrokerOptions
    /// Bytes that an artifact may have, packed or unpacked; `nil` for the default.
    package var artifactSize: Int64?
    package var logLevel: String
    /// Whether instances are stopped when the agent is.
    package var stopsInstances: Bool

    package init(
        dataDirectory: String, socket: String?, httpPort: Int?, kafka: String?, kafkaConfig: String?,
        brokerPort: Int, broker: BrokerOptions, artifactSize: Int64?, logLevel: String,
        stopsInstances: Bool
    ) {
        self.dataDirectory = dataDirectory
        self.socket = socket ?? AgentPaths.socket(in: dataDirectory)
        self.httpPort = httpPort
        self.kafka = kafka
        self.kafkaConfig = kafkaConfig
        self.brokerPort = brokerPort
        self.broker = broker
        self.artifactSize = artifactSize
        self.logLevel = logLevel
        self.stopsInstances = stopsInstances
    }
}
