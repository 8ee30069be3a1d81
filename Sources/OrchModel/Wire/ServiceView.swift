/// What a service as a whole is doing.
package enum ServiceState: String, Codable, Sendable {
    case running, degraded, down, deploying, stopped, completed
}

package struct ServiceView: Codable, Sendable {
    package var name: ModuleName
    package var version: String
    package var revision: Int
    package var state: ServiceState
    package var replicas: Int
    package var up: Int
    package var topic: TopicName
    /// The service's own addresses, at which the load balancer answers.
    package var addresses: [String]
    /// Addresses of the instances that may be used now.
    package var endpoints: [String]
    package var dependsOn: [ModuleName]
    package var deployment: DeploymentID?
    /// Why the service's addresses cannot be used.
    package var problem: String?
    package var traffic: TrafficView?

    package init(
        name: ModuleName, version: String, revision: Int, state: ServiceState, replicas: Int, up: Int, topic: TopicName,
        addresses: [String], endpoints: [String], dependsOn: [ModuleName], deployment: DeploymentID?
    ) {
        self.name = name
        self.version = version
        self.revision = revision
        self.state = state
        self.replicas = replicas
        self.up = up
        self.topic = topic
        self.addresses = addresses
        self.endpoints = endpoints
        self.dependsOn = dependsOn
        self.deployment = deployment
    }

    package enum CodingKeys: String, CodingKey {
        case name, version, revision, state, replicas, up, topic, addresses, endpoints, problem, traffic
        case dependsOn = "depends_on"
        case deployment
    }
}
