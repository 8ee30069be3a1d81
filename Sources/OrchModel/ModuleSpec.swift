import FoundationEssentials

/// What a module file says, with every default filled in (``ModuleSchema`` holds the defaults).
package struct ModuleSpec: Codable, Hashable, Sendable {
    package var name: ModuleName
    package var version: String
    package var topic: TopicName
    package var description: String
    package var runtime: RuntimeKind
    /// For containers: what they are made from.
    package var image: String
    /// Program and arguments; `${NAME}` stands for a variable of the instance's environment. For a container empty where the
    /// image's own is meant.
    package var command: [String]
    package var args: [String]
    /// The directory that the module file lies in, absolute; relative paths are taken from here.
    package var baseDirectory: String
    package var workdir: String
    package var env: [String: String]
    package var files: [ConfigurationFile]
    package var ports: [PortSpec]
    package var endpoint: EndpointSpec
    package var health: HealthSpec
    package var restart: RestartSpec
    package var stop: StopSpec
    package var replicas: Int
    package var user: String
    package var limits: LimitSpec
    package var logs: LogSpec
    package var dependsOn: [ModuleName]
    package var update: UpdateSpec
    package var placement: PlacementSpec
    package var labels: [String: String]
    package var container: ContainerSpec
    /// What its instances may do with the agent.
    package var api: AgentAccess
    /// The folder of the service's web page, relative to the module file; empty for none.
    package var ui: String

    package enum CodingKeys: String, CodingKey {
        case name, version, topic, description, runtime, image, command, args
        case baseDirectory = "base_directory"
        case workdir, env, files, ports, endpoint, health, restart, stop, replicas, user, limits, logs
        case dependsOn = "depends_on"
        case update, placement, labels, container, api, ui
    }
}

extension ModuleSpec {
    /// Reads what was written down, perhaps by a version that knew fewer keys.
    package init(stored json: JSONValue) throws {
        self = try JSONDecoder().decode(Self.self, from: JSONEncoder().encode(ModuleSchema.completed(json)))
    }
}

/// What whoever asks the agent may do.
package enum AgentAccess: String, Codable, Sendable, CaseIterable, Comparable {
    case none
    /// See what there is, and read logs.
    case read
    /// Also start, stop, restart, scale, deploy and roll back what is known.
    case operate

    package static func < (left: AgentAccess, right: AgentAccess) -> Bool {
        allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
    }
}

/// The substrate an instance runs on.
package enum RuntimeKind: String, Codable, Sendable, CaseIterable {
    case process
    case docker
    case podman
    /// Whichever container engine answers first, Docker before Podman.
    case auto

    package var isContainer: Bool { self != .process }
}

/// What only containers have.
package struct ContainerSpec: Codable, Hashable, Sendable {
    package struct Volume: Codable, Hashable, Sendable {
        /// Where it is in the container, absolute.
        package var path: String
        /// The name of a volume that the engine keeps, a path of this machine, or empty for memory.
        package var source: String
        package var readOnly: Bool
        /// Of memory; 0 for the engine's default.
        package var size: ByteSize

        package enum CodingKeys: String, CodingKey {
            case path, source, size
            case readOnly = "read_only"
        }
    }

    /// Containers of one network find each other by their modules' names; `host` is the network of this machine itself.
    package var network: String
    package var volumes: [Volume]
    package var readOnly: Bool
    /// All others are dropped.
    package var capabilities: [String]

    package enum CodingKeys: String, CodingKey {
        case network, volumes, capabilities
        case readOnly = "read_only"
    }

    package var isOnHost: Bool { network == "host" }
}

/// A file that is written into the instance's folder before it starts.
package struct ConfigurationFile: Codable, Hashable, Sendable {
    /// Relative to the instance's folder, where the variable `ORCH_CONFIG_DIR` points.
    package var path: String
    /// The text, or empty when `source` names a file to copy. `${NAME}` is replaced as in `command`.
    package var content: String
    /// A file relative to the module file, or empty.
    package var source: String
    /// Permission bits in octal, as in `0640`.
    package var mode: String
    /// It is read at each start, and written down nowhere else than in the instance's own folder.
    package var secret: Bool

    /// A file with this text.
    package init(path: String, content: String) {
        self.path = path
        self.content = content
        source = ""
        mode = "0600"
        secret = false
    }

    /// A file that is copied.
    package init(path: String, source: String, mode: String) {
        self.path = path
        content = ""
        self.source = source
        self.mode = mode
        secret = false
    }
}

package struct PortSpec: Codable, Hashable, Sendable {
    package var name: String
    /// The port on loopback, 1 to 65535, or 0 for a free one.
    package var port: Int
    /// The variable that tells the instance its port.
    package var env: String
    /// In a container: the port that is listened at there, or 0 for the one that the variable tells.
    package var target: Int
}

package struct HealthSpec: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable, CaseIterable { case none, tcp, http, exec, image }
    package var type: Kind
    package var path: String
    /// Name of the port to ask; empty for the first.
    package var port: String
    package var command: [String]
    package var interval: TimeSpan
    package var timeout: TimeSpan
    package var rise: Int
    package var fall: Int
    package var startPeriod: TimeSpan

    package enum CodingKeys: String, CodingKey {
        case type, path, port, command, interval, timeout, rise, fall
        case startPeriod = "start_period"
    }
}

package struct RestartSpec: Codable, Hashable, Sendable {
    package enum Policy: String, Codable, Sendable, CaseIterable {
        case always
        case onFailure = "on-failure"
        case never
    }
    package var policy: Policy
    package var initialDelay: TimeSpan
    package var maxDelay: TimeSpan
    package var resetAfter: TimeSpan
    /// Failures in a row after which the instance is given up; 0 for never.
    package var giveUpAfter: Int

    package enum CodingKeys: String, CodingKey {
        case policy
        case initialDelay = "initial_delay"
        case maxDelay = "max_delay"
        case resetAfter = "reset_after"
        case giveUpAfter = "give_up_after"
    }
}

package struct StopSpec: Codable, Hashable, Sendable {
    package var signal: String
    /// How long after the signal the whole process tree is killed.
    package var grace: TimeSpan
}

/// Bounds of one instance; 0 stands for none.
package struct LimitSpec: Codable, Hashable, Sendable {
    package var memory: ByteSize
    /// Cores, as in 0.5.
    package var cpu: Double
    package var openFiles: Int
    package var processes: Int

    package enum CodingKeys: String, CodingKey {
        case memory, cpu
        case openFiles = "open_files"
        case processes
    }
}

package struct LogSpec: Codable, Hashable, Sendable {
    package enum WhenFull: String, Codable, Sendable, CaseIterable {
        case block
        case dropOldest = "drop-oldest"
    }
    /// The most that waits on disk for the broker, per instance.
    package var spool: ByteSize
    package var whenFull: WhenFull
    /// The most lines a second that are sent; 0 for no limit.
    package var rate: Int

    package enum CodingKeys: String, CodingKey {
        case spool, rate
        case whenFull = "when_full"
    }
}

/// How a new version replaces the old one.
package struct UpdateSpec: Codable, Hashable, Sendable {
    package enum Strategy: String, Codable, Sendable, CaseIterable {
        /// A few instances at a time.
        case rolling
        /// All new ones beside all old ones, then a switch.
        case blueGreen = "blue-green"
        /// A part of the requests for the new version, until it is promoted or aborted.
        case canary
        /// All old ones stop before the first new one starts.
        case recreate
    }
    package enum Order: String, Codable, Sendable, CaseIterable {
        case auto
        case startFirst = "start-first"
        case stopFirst = "stop-first"
    }
    package enum OnFailure: String, Codable, Sendable, CaseIterable { case rollback, pause }
    package var strategy: Strategy
    package var order: Order
    /// Instances above the wanted number, when new ones start first: a number or a part, as in `25%`.
    package var maxSurge: String
    /// Instances below the wanted number, when old ones stop first: a number or a part.
    package var maxUnavailable: String
    /// Percent of the requests that a canary gets, 1 to 99.
    package var canary: Int
    /// How long a new instance must hold before it replaces an old one.
    package var monitor: TimeSpan
    /// Passed checks in a row that end the monitor window early; 0 for never.
    package var monitorChecks: Int
    /// How long a new instance may take to become healthy.
    package var healthyTimeout: TimeSpan
    package var onFailure: OnFailure

    package enum CodingKeys: String, CodingKey {
        case strategy, order, canary, monitor
        case maxSurge = "max_surge"
        case maxUnavailable = "max_unavailable"
        case monitorChecks = "monitor_checks"
        case healthyTimeout = "healthy_timeout"
        case onFailure = "on_failure"
    }
}

/// Which server an instance is put on.
package struct PlacementSpec: Codable, Hashable, Sendable {
    package enum Spread: String, Codable, Sendable, CaseIterable {
        /// The server with the fewest instances of the module.
        case instances
        /// The server with the most room.
        case resources
    }
    /// Names of the servers that may be taken; none for any.
    package var servers: [String]
    /// Modules that an instance should share its server with.
    package var near: [ModuleName]
    package var spread: Spread
}

extension ModuleSpec {
    /// How many new instances may be there beyond the wanted number.
    package var surge: Int { max(1, Self.amount(update.maxSurge, of: replicas)) }

    /// How many of the wanted instances may be missing, where old ones have to stop first.
    package var unavailable: Int { max(1, Self.amount(update.maxUnavailable, of: replicas)) }

    /// A number, or a part of `total` rounded up.
    private static func amount(_ text: String, of total: Int) -> Int {
        guard text.hasSuffix("%") else { return Int(text) ?? 0 }
        return ((Int(text.dropLast()) ?? 0) * total + 99) / 100
    }

    /// Why two versions cannot run side by side, or `nil` where they can.
    package var sideBySideObstacle: String? {
        switch update.order {
        case .startFirst: return nil
        case .stopFirst: return "update.order is stop-first"
        case .auto:
            if update.strategy == .recreate { return "update.strategy is recreate" }
            return ports.first { $0.port != 0 }.map { "port \($0.port) is fixed" }
        }
    }

    /// The folder of the service's web pages, absolute; empty for none.
    package var interfaceFolder: String {
        ui.isEmpty || ui.hasPrefix("/") ? ui : "\(baseDirectory)/\(ui)"
    }

    package var startsFirst: Bool { sideBySideObstacle == nil }

    /// Says of which module a service is a run that is there for a while.
    package static let runLabel = "orch.run-of"
    package var isRun: Bool { labels[Self.runLabel] != nil }

    /// A module that ends by itself: its instances may complete.
    package var isJob: Bool { restart.policy != .always }

    /// A job that nobody connects to: whoever depends on it waits until it has completed.
    package var isOneShot: Bool { isJob && ports.isEmpty }
}
