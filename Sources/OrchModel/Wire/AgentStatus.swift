package struct AgentStatus: Codable, Sendable {
    package var version: String
    package var pid: Int32
    package var dataDirectory: String
    package var startedAt: Timestamp
    package var broker: String
    package var brokerState: String
    package var services: Int
    package var instances: Int
    package var instancesUp: Int
    package var spoolBytes: Int64
    /// What a person should know, such as limits that this machine does not let us set.
    package var notices: [String]

    package init(
        version: String, pid: Int32, dataDirectory: String, startedAt: Timestamp, broker: String, brokerState: String,
        services: Int, instances: Int, instancesUp: Int, spoolBytes: Int64, notices: [String]
    ) {
        self.version = version
        self.pid = pid
        self.dataDirectory = dataDirectory
        self.startedAt = startedAt
        self.broker = broker
        self.brokerState = brokerState
        self.services = services
        self.instances = instances
        self.instancesUp = instancesUp
        self.spoolBytes = spoolBytes
        self.notices = notices
    }

    package enum CodingKeys: String, CodingKey {
        case version, pid, broker, services, instances, notices
        case dataDirectory = "data_directory"
        case startedAt = "started_at"
        case brokerState = "broker_state"
        case instancesUp = "instances_up"
        case spoolBytes = "spool_bytes"
    }
}
