import OrchClient
import OrchModel

extension CommandSpec {
    static let remove = CommandSpec(
        name: "rm", summary: "Stop a service and forget it; its log stays in its topic",
        operands: [OperandSpec("SERVICE", repeats: true, names: .modules, "Name of the service.")],
        options: DeploymentWait.options,
        examples: ["orch rm shop"]
    ) { invocation in
        let client = try invocation.client()
        var worst: Int32 = 0
        for operand in invocation.operands {
            let name = try ModuleName(checking: operand)
            let deployment = try await client.change("DELETE", "/v1/services/\(name)")
            let status = try await DeploymentWait.conclude(deployment, client, invocation)
            worst = max(worst, status)
        }
        return worst
    }
}
