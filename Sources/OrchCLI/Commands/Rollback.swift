import OrchClient
import OrchModel

extension CommandSpec {
    static let rollback = CommandSpec(
        name: "rollback", summary: "Go back to an earlier version of a service",
        discussion:
            "Any of the last ten revisions, with its configuration; 'orch history' lists them. Without VERSION the one before. "
            + "Goes as a deploy does: without a failed request, and back again if that version does not hold.",
        operands: [
            OperandSpec("SERVICE", names: .modules, "Name of a service."),
            OperandSpec("VERSION", optional: true, "A version, or the number of a revision."),
        ],
        options: DeploymentWait.options, examples: ["orch rollback shop", "orch rollback shop 1.4.2"]
    ) { invocation in
        let name = try ModuleName(checking: invocation.operands[0])
        let client = try invocation.client()
        let request = ChangeRequest(version: invocation.operands.dropFirst().first)
        let deployment: DeploymentView = try await client.call("POST", "/v1/services/\(name)/rollback", body: request)
        return try await DeploymentWait.conclude(deployment, client, invocation)
    }
}
