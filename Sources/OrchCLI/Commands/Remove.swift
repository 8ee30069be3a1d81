import OrchClient
import OrchModel

extension CommandSpec {
    static let remove = CommandSpec(
        name: "rm", summary: "Stop a service and forget it; its log stays in its topic",
        operands: [
            OperandSpec(
                "SERVICE", repeats: true, names: .modules, "Name of the service, or NAME[:VERSION] of an artifact.")
        ],
        options: [
            OptionSpec("artifact", nil, "Remove versions of artifacts from the repository instead; those in use stay.")
        ] + DeploymentWait.options,
        examples: ["orch rm shop", "orch rm --artifact shop:1.2"]
    ) { invocation in
        let client = try invocation.client()
        if try invocation.flag("artifact") {
            for operand in invocation.operands {
                let reference = try ArtifactReference(checking: operand)
                let freed: PruneView = try await client.call("DELETE", "/v1/artifacts/\(reference)")
                invocation.console.note("removed \(reference), \(ByteSize(bytes: freed.bytes)) freed")
            }
            return 0
        }
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
