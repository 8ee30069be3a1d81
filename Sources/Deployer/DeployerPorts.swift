package import OrchModel

/// Starts and stops instances. OrchAgent joins it to the runtime manager.
package protocol InstanceRuntime: Sendable {
    /// What becomes of instances by themselves.
    var news: AsyncStream<(InstanceID, RuntimeNews)> { get }
    /// - Parameter progress: told what takes long.
    func start(_ launch: InstanceLaunch, progress: @escaping LaunchProgress) async throws(OrchError)
        -> RunningInstance
    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError)
    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance
    /// Forgets an instance for good; its folder goes once its log is shipped.
    func discard(_ id: InstanceID) async
    /// Makes a check from within the instance.
    ///
    /// - Returns: what was wrong; `nil` when it passed.
    func check(_ id: InstanceID, _ health: HealthSpec) async -> String?
    /// What tells why it is as it is: its last lines, and the ports that its processes listen at.
    func diagnose(_ id: InstanceID, lines: Int) async -> Diagnosis
    /// Instances that have a folder, with what they were launched with.
    func launches() async -> [InstanceLaunch]
}

/// What can be seen of an instance from outside.
package struct Diagnosis: Sendable {
    package var lastLines: [String]
    package var listening: [Int]
    /// Bounds that it has run into, in words.
    package var limits: [String]

    package init(lastLines: [String], listening: [Int] = [], limits: [String] = []) {
        self.lastLines = lastLines
        self.listening = listening
        self.limits = limits
    }
}

/// Brings requests to instances. OrchAgent joins it to the load balancer.
package protocol TrafficControl: Sendable {
    /// Finds out whether a service can have its address, and holds it for the service.
    ///
    /// - Parameter known: the port that it has already.
    /// - Returns: its port; `nil` for a service without an address.
    /// - Throws: `conflict` when somebody else has the address, and what is wrong with certificates.
    func reserve(_ spec: ModuleSpec, known: Int?) async throws(OrchError) -> Int?
    /// Lets go what was held for a service and not used.
    func release(_ name: ModuleName) async
    /// From now on requests go by this route; whoever is no member of it any more gets none.
    func set(_ route: ServiceRoute?, of name: ModuleName) async
    /// Returns when an instance that gets no more requests has finished those it has, or after `limit`.
    func drain(_ id: InstanceID, within limit: TimeSpan) async
}

/// Chooses servers for instances. OrchAgent joins it to the load balancer.
package protocol InstancePlacement: Sendable {
    /// - Throws: `conflict` when no server can take it, with what each lacks.
    func choose(for spec: ModuleSpec, beside instances: [InstanceView]) throws(OrchError) -> PlacementChoice
}

package struct PlacementChoice: Sendable {
    package var server: String
    package var reason: String

    package init(server: String, reason: String) {
        self.server = server
        self.reason = reason
    }
}

/// Keeps what was decided before it is done. OrchAgent joins it to the store.
package protocol DeploymentJournal: Sendable {
    func load() async throws -> JournalContent
    /// All or nothing.
    func save(_ changes: JournalChanges) async throws
    func deployment(_ id: DeploymentID) async throws -> DeploymentView?
}

package struct JournalContent: Sendable {
    package var services: [ServiceRecord]
    package var instances: [InstanceRecord]
    package var lastEvent: Int64

    package init(services: [ServiceRecord], instances: [InstanceRecord], lastEvent: Int64) {
        self.services = services
        self.instances = instances
        self.lastEvent = lastEvent
    }
}

package struct JournalChanges: Sendable {
    package var services: [ServiceRecord] = []
    package var removedServices: [ModuleName] = []
    package var instances: [InstanceRecord] = []
    package var removedInstances: [InstanceID] = []
    package var deployments: [DeploymentView] = []
    package var events: [Event] = []

    package init() {}

    package var isEmpty: Bool {
        services.isEmpty && removedServices.isEmpty && instances.isEmpty && removedInstances.isEmpty
            && deployments.isEmpty && events.isEmpty
    }

    /// Adds what came later.
    mutating func add(_ other: JournalChanges) {
        let again = Set(other.services.map(\.name))
        removedServices.removeAll(where: again.contains)
        services += other.services
        removedServices += other.removedServices
        instances += other.instances
        removedInstances += other.removedInstances
        deployments += other.deployments
        events += other.events
    }
}

/// Gets told what happened after it is written down, and of every change of what serves.
package protocol DeploymentObserver: Sendable {
    func happened(_ events: [Event]) async
    func servicesChanged(_ services: [ServiceView], _ instances: [InstanceView]) async
}
