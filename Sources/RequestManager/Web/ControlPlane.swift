package import OrchModel

/// What the web interface shows and asks for. OrchAgent joins it to the rooms of the agent.
package protocol ControlPlane: Sendable {
    func status() async -> AgentStatus
    /// With what the load balancer knows of them.
    func services() async -> [ServiceView]
    func instances() async -> [InstanceView]
    /// Yields once at first, and then after anything happened.
    func news() -> AsyncStream<Void>
    /// The last ones, the oldest first.
    func events(of module: ModuleName?, limit: Int) async throws -> [Event]
    /// What happened to a service while it was deployed, of this deployment or of none, in order; the last ones where there
    /// are more.
    func events(during deployment: DeploymentView, limit: Int) async throws -> [Event]
    /// - Throws: `notFound` for an unknown service.
    func why(_ name: ModuleName) async throws -> WhyAnswer
    /// - Throws: `notFound` for an unknown instance.
    func why(_ id: InstanceID) async throws -> WhyAnswer
    func history(of name: ModuleName) async throws -> HistoryView
    func deployment(_ id: DeploymentID) async throws -> DeploymentView
    /// The newest first: those that hold words, with ids below `before`.
    func requests(with words: String, before: Int64?, limit: Int) async throws -> [RequestRecord]

    func modules() async -> [ModuleView]
    /// Names of the servers that instances can be put on.
    func servers() async -> [String]
    func artifacts() async -> [ArtifactView]
    /// The mistakes of a module file; none when it is right.
    func mistakes(in file: String) -> [FileMistake]
    /// What a deploy would do. Throws what it would be refused for.
    func plan(_ request: DeployRequest) async throws -> PlanView
    /// The texts of the documents that the agent keeps for people and scripts, by their names.
    func documents() async -> [(name: String, text: String)]

    func topics() async throws -> [TopicView]
    /// The last lines of a topic.
    func lines(of topic: TopicName, tail: Int) async throws -> [LogLine]
    /// Lines of level error and above that instances have written since the agent started.
    func errorLines() async -> [InstanceID: Int64]
    /// What instances that are up use.
    func usage() async -> [UsageView]

    /// Asks a module that belongs to the control plane, such as the scheduler.
    ///
    /// - Throws: `unavailable` when none of its instances is up, and what it refuses.
    func ask(_ module: ModuleName, _ path: String) async throws -> JSONValue
}

extension ControlPlane {
    /// The deployment of a service that goes on.
    func ongoing(of service: ServiceView) async throws -> DeploymentView? {
        guard let id = service.deployment else { return nil }
        do {
            return try await deployment(id)
        } catch let error as OrchError where error.code == .notFound {
            return nil
        }
    }
}
