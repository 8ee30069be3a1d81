/// What the agent answers and accepts under `/v1`. The JSON names are stable: fields are added, never renamed.

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

package struct DeploymentView: Codable, Sendable {
    package enum Kind: String, Codable, Sendable { case deploy, rollback, start, stop, restart, scale, remove }
    package enum State: String, Codable, Sendable {
        case running
        /// Stands still because somebody said so, or because it failed and shall not go back by itself.
        case paused
        /// A canary that waits to be promoted or aborted.
        case waiting
        case rollingBack = "rolling_back"
        case succeeded
        case rolledBack = "rolled_back"
        case failed

        package var isFinal: Bool { [.succeeded, .rolledBack, .failed].contains(self) }

        /// Whether it goes on only when somebody says how.
        package var standsStill: Bool { self == .paused || self == .waiting }
    }
    package var id: DeploymentID
    package var module: ModuleName
    package var kind: Kind
    package var fromRevision: Int?
    package var toRevision: Int
    package var state: State
    package var reason: String
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?
    /// Last log lines of the instance that made it fail.
    package var lastLines: [String]

    package init(
        id: DeploymentID, module: ModuleName, kind: Kind, fromRevision: Int?, toRevision: Int, state: State,
        reason: String, startedAt: Timestamp, finishedAt: Timestamp?, lastLines: [String]
    ) {
        self.id = id
        self.module = module
        self.kind = kind
        self.fromRevision = fromRevision
        self.toRevision = toRevision
        self.state = state
        self.reason = reason
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.lastLines = lastLines
    }

    package enum CodingKeys: String, CodingKey {
        case id, module, kind, state, reason
        case fromRevision = "from_revision"
        case toRevision = "to_revision"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case lastLines = "last_lines"
    }
}

/// Something that happened, in the order it happened.
package struct Event: Codable, Sendable {
    package var sequence: Int64
    package var at: Timestamp
    /// What happened, as in `instance.healthy`.
    package var kind: String
    package var module: ModuleName?
    package var instance: InstanceID?
    package var deployment: DeploymentID?
    package var message: String

    package init(
        sequence: Int64 = 0, at: Timestamp, kind: String, module: ModuleName? = nil, instance: InstanceID? = nil,
        deployment: DeploymentID? = nil, message: String
    ) {
        self.sequence = sequence
        self.at = at
        self.kind = kind
        self.module = module
        self.instance = instance
        self.deployment = deployment
        self.message = message
    }
}

/// A module that can be deployed by its name.
package struct ModuleView: Codable, Sendable {
    package enum Source: String, Codable, Sendable { case shipped, deployed }
    package var name: ModuleName
    package var version: String
    package var source: Source
    package var description: String
    package var path: String

    package init(name: ModuleName, version: String, source: Source, description: String, path: String) {
        self.name = name
        self.version = version
        self.source = source
        self.description = description
        self.path = path
    }
}

package struct TopicView: Codable, Sendable {
    package var name: TopicName
    package var partitions: Int
    package var records: Int64

    package init(name: TopicName, partitions: Int, records: Int64) {
        self.name = name
        self.partitions = partitions
        self.records = records
    }
}

/// One line of output as `orch logs` hands it on.
package struct LogLine: Codable, Sendable {
    package var at: Timestamp
    package var topic: TopicName
    package var instance: String
    package var stream: String
    package var level: String
    /// Gapless per instance, from 1; 0 where somebody else wrote the record.
    package var seq: Int64
    package var line: String

    package init(
        at: Timestamp, topic: TopicName, instance: String, stream: String, level: String, seq: Int64, line: String
    ) {
        self.at = at
        self.topic = topic
        self.instance = instance
        self.stream = stream
        self.level = level
        self.seq = seq
        self.line = line
    }
}

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

/// Asks for a version of a module to run. Either `module` names a known one, or `file` is the text of a module file.
package struct DeployRequest: Codable, Sendable {
    package var module: String?
    package var file: String?
    /// Where the file was read, for messages and as the base of relative paths.
    package var path: String?
    package var replicas: Int?
    package var env: [String: String]?
    /// The number of the first port.
    package var port: Int?
    /// The revision that was planned against, 0 for none: another one is a conflict.
    package var checkIndex: Int?

    package init(
        module: String? = nil, file: String? = nil, path: String? = nil, replicas: Int? = nil,
        env: [String: String]? = nil, port: Int? = nil, checkIndex: Int? = nil
    ) {
        self.module = module
        self.file = file
        self.path = path
        self.replicas = replicas
        self.env = env
        self.port = port
        self.checkIndex = checkIndex
    }

    package enum CodingKeys: String, CodingKey {
        case module, file, path, replicas, env, port
        case checkIndex = "check_index"
    }
}

/// Asks a service, or one of its instances, to change.
package struct ChangeRequest: Codable, Sendable {
    package var replicas: Int?
    /// For a rollback: the number of a revision or a version; the one before by default.
    package var version: String?

    package init(replicas: Int? = nil, version: String? = nil) {
        self.replicas = replicas
        self.version = version
    }
}

/// What a deploy would do.
package struct PlanView: Codable, Sendable {
    package struct Change: Codable, Sendable {
        package var key: String
        package var from: String?
        package var to: String?

        package init(key: String, from: String?, to: String?) {
            self.key = key
            self.from = from
            self.to = to
        }
    }
    package var module: ModuleName
    package var fromRevision: Int?
    package var changes: [Change]
    package var start: Int
    package var stop: Int
    /// How it would be done, in words.
    package var steps: [String]
    /// What it was planned against, for `--check-index`.
    package var index: Int

    package init(
        module: ModuleName, fromRevision: Int?, changes: [Change], start: Int, stop: Int, steps: [String], index: Int
    ) {
        self.module = module
        self.fromRevision = fromRevision
        self.changes = changes
        self.start = start
        self.stop = stop
        self.steps = steps
        self.index = index
    }

    package enum CodingKeys: String, CodingKey {
        case module, changes, start, stop, steps, index
        case fromRevision = "from_revision"
    }
}

/// A version of a service that it can go back to.
package struct RevisionView: Codable, Sendable {
    package var number: Int
    package var version: String
    package var deployedAt: Timestamp
    /// Whether it is the one that shall run.
    package var isTarget: Bool
    /// Whether it has replaced what was before it.
    package var hasHeld: Bool

    package init(number: Int, version: String, deployedAt: Timestamp, isTarget: Bool, hasHeld: Bool) {
        self.number = number
        self.version = version
        self.deployedAt = deployedAt
        self.isTarget = isTarget
        self.hasHeld = hasHeld
    }

    package enum CodingKeys: String, CodingKey {
        case number, version
        case deployedAt = "deployed_at"
        case isTarget = "is_target"
        case hasHeld = "has_held"
    }
}

/// What became of a service: its deployments, the newest first, and the revisions that are kept.
package struct HistoryView: Codable, Sendable {
    package var module: ModuleName
    package var revisions: [RevisionView]
    package var deployments: [DeploymentView]

    package init(module: ModuleName, revisions: [RevisionView], deployments: [DeploymentView]) {
        self.module = module
        self.revisions = revisions
        self.deployments = deployments
    }
}

/// A request that somebody made of the agent.
package struct RequestRecord: Codable, Sendable {
    package var id: Int64
    package var at: Timestamp
    package var method: String
    package var path: String
    package var from: String
    package var status: Int
    package var milliseconds: Double

    package init(
        id: Int64, at: Timestamp, method: String, path: String, from: String, status: Int, milliseconds: Double
    ) {
        self.id = id
        self.at = at
        self.method = method
        self.path = path
        self.from = from
        self.status = status
        self.milliseconds = milliseconds
    }
}
