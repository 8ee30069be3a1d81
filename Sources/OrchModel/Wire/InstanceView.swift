// The types in this folder are what the agent answers and accepts under `/v1`. Their JSON names are stable: fields are added,
// never renamed.

package struct InstanceView: Codable, Sendable {
    package var id: InstanceID
    package var module: ModuleName
    package var topic: TopicName
    package var version: String
    package var revision: Int
    package var state: InstanceState
    /// Why it is in this state, in a few words.
    package var reason: String
    package var runtime: RuntimeKind
    package var server: String
    /// Why it was put there.
    package var placement: String?
    package var pid: Int32?
    package var ports: [String: Int]
    package var restarts: Int
    /// Lines that could not be kept.
    package var lost: Int64
    package var since: Timestamp
    package var exit: Exit?

    package init(
        id: InstanceID, module: ModuleName, topic: TopicName, version: String, revision: Int, state: InstanceState,
        reason: String, runtime: RuntimeKind, server: String, placement: String?, pid: Int32?, ports: [String: Int],
        restarts: Int, lost: Int64, since: Timestamp, exit: Exit?
    ) {
        self.id = id
        self.module = module
        self.topic = topic
        self.version = version
        self.revision = revision
        self.state = state
        self.reason = reason
        self.runtime = runtime
        self.server = server
        self.placement = placement
        self.pid = pid
        self.ports = ports
        self.restarts = restarts
        self.lost = lost
        self.since = since
        self.exit = exit
    }
}
