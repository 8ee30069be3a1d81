import OrchClient
import OrchModel

/// A name on the command line that may be an instance's or a service's.
enum InstanceOrService {
    /// An instance, or the first one of a service that is up.
    static func running(_ name: String, _ client: AgentClient) async throws(OrchError) -> InstanceID {
        let id = try InstanceID(checking: name)
        let all: [InstanceView] = try await client.call("GET", "/v1/instances")
        if all.contains(where: { $0.id == id }) { return id }
        let own = all.filter { $0.module.rawValue == name }
        if let up = own.first(where: \.state.isUp) { return up.id }
        guard own.isEmpty else {
            throw OrchError(.conflict, "no instance of \(name) is up: 'orch why \(name)' tells why")
        }
        throw OrchError(
            .notFound, "there is no service and no instance \(name): 'orch services' and 'orch instances' list them")
    }

    /// What the agent knows of it: below `/v1/instances` where there is such an instance, else below `/v1/services`.
    ///
    /// - Parameter suffix: what is asked of it, as in `/why`; empty for itself.
    static func get<Value: Decodable & Sendable>(
        _ name: InstanceID, _ suffix: String, _ client: AgentClient, as _: Value.Type = Value.self
    ) async throws(OrchError) -> Value {
        do throws(OrchError) {
            return try await client.call("GET", "/v1/instances/\(name)\(suffix)")
        } catch {
            guard error.code == .notFound else { throw error }
        }
        do throws(OrchError) {
            return try await client.call("GET", "/v1/services/\(name)\(suffix)")
        } catch {
            guard error.code == .notFound else { throw error }
            throw OrchError(
                .notFound,
                "there is no service and no instance \(name): 'orch services' and 'orch instances' list them")
        }
    }
}
