package import OrchModel

/// A version of a module as it was deployed, numbered from 1 per service.
package struct Revision: Codable, Sendable {
    package var number: Int
    package var spec: ModuleSpec
    package var deployedAt: Timestamp
    /// The port of the service's own address; `nil` when it has none.
    package var endpointPort: Int?
    /// It has replaced whatever was before it, and can be gone back to.
    package var hasHeld = false

    package init(number: Int, spec: ModuleSpec, deployedAt: Timestamp, endpointPort: Int?) {
        self.number = number
        self.spec = spec
        self.deployedAt = deployedAt
        self.endpointPort = endpointPort
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        number = try container.decode(Int.self, forKey: .number)
        spec = try ModuleSpec(stored: container.decode(JSONValue.self, forKey: .spec))
        deployedAt = try container.decode(Timestamp.self, forKey: .deployedAt)
        endpointPort = try container.decodeIfPresent(Int.self, forKey: .endpointPort)
        hasHeld = try container.decodeIfPresent(Bool.self, forKey: .hasHeld) ?? true
    }
}

/// What is wanted of a service. Durable.
package struct ServiceRecord: Codable, Sendable {
    package enum Desired: String, Codable, Sendable { case running, stopped, removed }

    package var name: ModuleName
    /// The newest ten, oldest first.
    package var revisions: [Revision]
    /// The number of the revision that shall run.
    package var target: Int
    package var desired: Desired
    /// The work that goes on.
    package var deployment: DeploymentView?
    /// How far the work has come, beyond what the instances tell.
    package var rollout: Rollout?
}

/// Decisions of a rollout that must not be taken twice.
package struct Rollout: Codable, Sendable, Equatable {
    /// Somebody has stopped it for now.
    package var isPaused = false
    /// A canary that is good enough for everybody.
    package var isPromoted = false
    /// Blue-green: requests go to the new instances.
    package var isSwitched = false
    /// Blue-green: the new ones have held with all requests, and the old ones may go.
    package var isReleased = false
}

/// One instance, as it is and as it shall be. Durable.
package struct InstanceRecord: Codable, Sendable {
    package enum Intent: String, Codable, Sendable {
        case run
        /// Ends, and stays listed.
        case stop
        /// Ends, and is forgotten.
        case retire
        /// Ends, and is started again.
        case restart
    }

    package var id: InstanceID
    package var module: ModuleName
    package var revision: Int
    package var ordinal: Int
    package var intent = Intent.run
    package var state = InstanceState.pending
    package var since: Timestamp
    package var reason = ""
    package var process: ProcessIdentity?
    package var ports: [String: Int] = [:]
    package var restarts = 0
    package var restart = RestartMachine()
    package var lastExit: Exit?
    /// It has been good once since its last start.
    package var isReady = false
    /// It has held for the monitor window since its last start; `nil` stands for no.
    package var isProven: Bool?
    /// It made a deployment fail.
    package var isAtFault = false
    /// The server it was put on, and why.
    package var server: String?
    package var placement: String?

    /// Whether something of it may be running.
    package var isActive: Bool { state.isActive }

    /// Whether it is good and stays.
    package var serves: Bool { intent == .run && isReady && (state.isUp || state == .unknown) }

    var hasHeld: Bool { isProven ?? false }
}
