package import OrchModel

/// Starts and stops instances. OrchAgent joins it to the runtime manager.
package protocol InstanceRuntime: Sendable {
    var exits: AsyncStream<(InstanceID, Exit)> { get }
    func start(_ launch: InstanceLaunch) async throws(OrchError) -> RunningInstance
    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError)
    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance
    /// Forgets an instance for good; its folder goes once its log is shipped.
    func discard(_ id: InstanceID) async
    /// The last lines that it has written.
    func lastLines(_ id: InstanceID, count: Int) async -> [String]
    /// Instances that have a folder, with what they were launched with.
    func launches() async -> [InstanceLaunch]
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
}

/// Gets told what happened after it is written down, and of every change of what serves.
package protocol DeploymentObserver: Sendable {
    func happened(_ events: [Event]) async
    func servicesChanged(_ services: [ServiceView], _ instances: [InstanceView]) async
}
