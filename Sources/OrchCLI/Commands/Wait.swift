import OrchClient
import OrchModel

extension CommandSpec {
    static let wait = CommandSpec(
        name: "wait", summary: "Wait for a deployment, or for whatever changes a service now",
        discussion: "Ends with the status that deploy would have ended with.",
        operands: [OperandSpec("ID", names: .deployments, "Id of a deployment, or name of a service.")],
        options: [OptionSpec("timeout", "t", .duration, "SPAN", "How long to wait; 10m by default.")],
        examples: ["id=$(orch deploy shop --detach) && orch wait $id"]
    ) { invocation in
        let client = try invocation.client()
        let id = try DeploymentID(checking: invocation.operands[0])
        let timeout = try invocation.duration("timeout") ?? .seconds(600)
        let deployment = try await lookUp(id, client)
        let final = try await DeploymentWait.follow(deployment, client, invocation.console, timeout: timeout)
        return try DeploymentWait.report(final, invocation.console)
    }

    private static func lookUp(_ id: DeploymentID, _ client: AgentClient) async throws -> DeploymentView {
        do throws(OrchError) {
            return try await client.call("GET", "/v1/deployments/\(id)")
        } catch {
            guard error.code == .notFound else { throw error }
            let latest: [DeploymentView] = try await client.call(
                "GET", "/v1/deployments", query: [("module", id.rawValue), ("limit", "1")])
            guard let deployment = latest.first else {
                throw OrchError(.notFound, "there is no deployment and no service \(id)")
            }
            return deployment
        }
    }
}
