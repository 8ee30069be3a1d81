import FoundationEssentials
import OrchClient
import OrchModel

/// The agent, as far as the notifier needs it: what it tells of modules, and what it does with them.
struct Platform: Sendable {
    /// What is known of a module helps, but nobody is kept waiting for it.
    private static let patience = TimeSpan.seconds(3)
    private static let mostLines = 10
    private static let longestLine = 400

    let agent: AgentClient

    func broker() async throws(OrchError) -> String {
        let status: AgentStatus = try await agent.call("GET", "/v1/status", timeout: Self.patience)
        return status.broker
    }

    /// The last lines of an incident's instance, or of the one of its module that printed last.
    func lastLines(of incident: Incident) async -> [String] {
        guard !incident.module.isEmpty else { return [] }
        let path =
            incident.instance.isEmpty
            ? "/v1/services/\(incident.module)/why" : "/v1/instances/\(incident.instance)/why"
        let why: WhyAnswer? = try? await agent.call("GET", path, timeout: Self.patience)
        let lines = why?.instances.flatMap(\.lastLines) ?? []
        return lines.suffix(Self.mostLines).map { String($0.prefix(Self.longestLine)) }
    }

    /// The topics that modules log to, besides one's.
    func topics(besides own: String) async throws(OrchError) -> Set<String> {
        let services: [ServiceView] = try await agent.call("GET", "/v1/services", timeout: Self.patience)
        return Set(services.filter { $0.name.rawValue != own }.map(\.topic.rawValue))
    }

    /// The labels in a module's file; none when it cannot be asked about.
    func labels(of module: String) async -> [String: String] {
        struct Inspection: Decodable {
            struct Spec: Decodable { var labels: [String: String] }
            var spec: Spec
        }
        let found: Inspection? = try? await agent.call("GET", "/v1/services/\(module)", timeout: Self.patience)
        return found?.spec.labels ?? [:]
    }

    /// - Throws: what the agent says against it.
    func perform(_ action: Rule.Action, on module: String) async throws(OrchError) {
        let service = "/v1/services/\(module)"
        switch action.action {
        case .none: break
        case .restart: _ = try await agent.change("POST", "\(service)/restart", body: ChangeRequest())
        case .stop: _ = try await agent.change("POST", "\(service)/stop", body: ChangeRequest())
        case .rollback: _ = try await agent.change("POST", "\(service)/rollback", body: ChangeRequest())
        case .scale:
            _ = try await agent.change("POST", "\(service)/scale", body: ChangeRequest(replicas: action.replicas))
        case .run: try await run(module)
        }
    }

    /// Runs a job to its end: as a service of its name, which is begun anew where it has run before.
    ///
    /// - Throws: `conflict` while it runs.
    private func run(_ module: String) async throws(OrchError) {
        let services: [ServiceView] = try await agent.call("GET", "/v1/services", timeout: Self.patience)
        guard let service = services.first(where: { $0.name.rawValue == module }) else {
            let _: DeploymentView = try await agent.call("POST", "/v1/deployments", body: DeployRequest(module: module))
            return
        }
        guard [.completed, .down, .stopped].contains(service.state) else {
            throw OrchError(.conflict, "\(module) runs already")
        }
        _ = try await agent.change("POST", "/v1/services/\(module)/start", body: ChangeRequest())
    }
}
