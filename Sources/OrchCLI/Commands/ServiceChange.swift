import OrchClient
import OrchModel

/// What `start`, `stop` and `restart` have in common: names of services and of instances, one after the other.
enum ServiceChange {
    static func run(_ verb: String, _ invocation: Invocation) async throws -> Int32 {
        let client = try invocation.client()
        var worst: Int32 = 0
        for operand in invocation.operands {
            let name = try InstanceID(checking: operand)
            if try await isInstance(name, client) {
                let instance: InstanceView = try await client.call("POST", "/v1/instances/\(name)/\(verb)")
                invocation.console.note("\(verb) of \(instance.id) asked for")
                continue
            }
            let module = try ModuleName(checking: operand)
            let deployment = try await client.change("POST", "/v1/services/\(module)/\(verb)")
            let status = try await DeploymentWait.conclude(deployment, client, invocation)
            worst = max(worst, status)
        }
        return worst
    }

    private static func isInstance(_ name: InstanceID, _ client: AgentClient) async throws -> Bool {
        do throws(OrchError) {
            _ = try await client.call("GET", "/v1/instances/\(name)", as: InstanceView.self)
            return true
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }
}
