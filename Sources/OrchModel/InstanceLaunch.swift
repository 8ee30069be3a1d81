/// Everything a runtime needs to start an instance.
package struct InstanceLaunch: Codable, Sendable {
    package var id: InstanceID
    package var revision: Int
    package var spec: ModuleSpec
    /// The number of the copy, from 0.
    package var ordinal: Int
    /// The ports it has, by name; the ones it lacks are chosen at the start.
    package var ports: [String: Int]
    /// Where it reaches other services, as far as they are known when it starts.
    package var services: [ModuleName: String] = [:]

    package init(id: InstanceID, revision: Int, spec: ModuleSpec, ordinal: Int, ports: [String: Int]) {
        self.id = id
        self.revision = revision
        self.spec = spec
        self.ordinal = ordinal
        self.ports = ports
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(InstanceID.self, forKey: .id)
        revision = try container.decode(Int.self, forKey: .revision)
        spec = try ModuleSpec(stored: container.decode(JSONValue.self, forKey: .spec))
        ordinal = try container.decode(Int.self, forKey: .ordinal)
        ports = try container.decode([String: Int].self, forKey: .ports)
        services = try container.decodeIfPresent([ModuleName: String].self, forKey: .services) ?? [:]
    }
}

/// An instance that runs.
package struct RunningInstance: Hashable, Sendable {
    package var process: ProcessIdentity
    package var ports: [String: Int]

    package init(process: ProcessIdentity, ports: [String: Int]) {
        self.process = process
        self.ports = ports
    }
}

/// What is found of an instance that an earlier agent started, or that could not be asked about for a while.
package enum FoundInstance: Sendable, Equatable {
    case running(RunningInstance)
    case ended(Exit)
    /// Nothing runs, and nothing tells how it ended.
    case absent
    /// Nobody can say now; what is found is told later. With the reason.
    case unreachable(String)
}

/// What a runtime tells of an instance by itself.
package enum RuntimeNews: Sendable {
    /// It has ended, whoever caused it; told once for each start.
    case ended(Exit)
    /// It cannot be asked about any more, or can be again.
    case found(FoundInstance)
}

/// Is told what takes long of a start, and how far it is where that is known. Must not block.
package typealias LaunchProgress = @Sendable (String, WorkProgress?) -> Void
