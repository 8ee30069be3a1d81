import OrchClient
import OrchModel

extension CommandSpec {
    static let scale = CommandSpec(
        name: "scale", summary: "Change the number of a service's instances",
        operands: [
            OperandSpec("SERVICE", names: .modules, "Name of the service."),
            OperandSpec("COUNT", "Number of instances, 0 to 1000."),
        ],
        options: DeploymentWait.options,
        examples: ["orch scale shop 5"]
    ) { invocation in
        let name = try ModuleName(checking: invocation.operands[0])
        guard let count = Int(invocation.operands[1]), (0...1000).contains(count) else {
            throw OrchError(
                .invalidRequest,
                "COUNT must be a whole number from 0 to 1000, not \(invocation.operands[1].quotedOneLine)")
        }
        let client = try invocation.client()
        let deployment = try await client.change(
            "POST", "/v1/services/\(name)/scale", body: ChangeRequest(replicas: count))
        return try await DeploymentWait.conclude(deployment, client, invocation)
    }
}
