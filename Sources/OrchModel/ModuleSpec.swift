/// What a module file says, with every default filled in (``ModuleSchema`` holds the defaults).
package struct ModuleSpec: Codable, Hashable, Sendable {
    package var name: ModuleName
    package var version: String
    package var topic: TopicName
    package var description: String
    package var runtime: RuntimeKind
    /// Program and arguments; `${NAME}` stands for a variable of the instance's environment.
    package var command: [String]
    package var args: [String]
    /// The directory that the module file lies in, absolute; relative paths are taken from here.
    package var baseDirectory: String
    package var workdir: String
    package var env: [String: String]
    package var files: [ConfigurationFile]
    package var ports: [PortSpec]
    package var health: HealthSpec
    package var restart: RestartSpec
    package var stop: StopSpec
    package var replicas: Int
    package var user: String
    package var limits: LimitSpec
    package var logs: LogSpec
    package var dependsOn: [ModuleName]
    package var update: UpdateSpec
    package var labels: [String: String]

    package enum CodingKeys: String, CodingKey {
        case name, version, topic, description, runtime, command, args
        case baseDirectory = "base_directory"
        case workdir, env, files, ports, health, restart, stop, replicas, user, limits, logs
        case dependsOn = "depends_on"
        case update, labels
    }
}

/// The substrate an instance runs on.
package enum RuntimeKind: String, Codable, Sendable, CaseIterable {
    case process
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
}

package struct PortSpec: Codable, Hashable, Sendable {
    package var name: String
    /// The port on loopback, 1 to 65535, or 0 for a free one.
    package var port: Int
    /// The variable that tells the instance its port.
    package var env: String
}

package struct HealthSpec: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable, CaseIterable { case none, tcp, http, exec }
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

    package enum CodingKeys: String, CodingKey {
        case spool
        case whenFull = "when_full"
    }
}

package struct UpdateSpec: Codable, Hashable, Sendable {
    package enum Order: String, Codable, Sendable, CaseIterable {
        case auto
        case startFirst = "start-first"
        case stopFirst = "stop-first"
    }
    package enum OnFailure: String, Codable, Sendable, CaseIterable { case rollback, pause }
    package var order: Order
    /// Instances replaced at a time; 0 for a quarter of the replicas, at least one.
    package var parallel: Int
    /// How long a new instance without a health check must stay up to count as good.
    package var monitor: TimeSpan
    /// How long a new instance may take to become healthy.
    package var healthyTimeout: TimeSpan
    package var onFailure: OnFailure

    package enum CodingKeys: String, CodingKey {
        case order, parallel, monitor
        case healthyTimeout = "healthy_timeout"
        case onFailure = "on_failure"
    }
}

extension ModuleSpec {
    /// How many instances an update replaces at a time.
    package var updateStep: Int { update.parallel > 0 ? update.parallel : max(1, replicas / 4) }

    /// Two copies cannot run side by side where a port is fixed, so the old one has to stop first.
    package var startsFirst: Bool {
        switch update.order {
        case .startFirst: true
        case .stopFirst: false
        case .auto: !ports.contains { $0.port != 0 }
        }
    }

    /// A module that ends by itself: its instances may complete.
    package var isJob: Bool { restart.policy != .always }
}
