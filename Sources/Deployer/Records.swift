package import OrchModel

/// A version of a module as it was deployed, numbered from 1 per service.
package struct Revision: Codable, Sendable {
    package var number: Int
    package var spec: ModuleSpec
    package var deployedAt: Timestamp
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
    /// It made a deployment fail.
    package var isAtFault = false

    /// Whether something of it may be running.
    package var isActive: Bool {
        switch state {
        case .starting, .running, .healthy, .unhealthy, .stopping, .unknown: true
        case .pending, .stopped, .backoff, .failed, .completed: false
        }
    }
}
