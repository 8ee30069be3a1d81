import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let deploy = CommandSpec(
        name: "deploy", summary: "Run a version of a module, replacing the one before",
        discussion:
            "MODULE is the name of a known module, of which the newest version in the repository is taken unless NAME:VERSION says which, or the path of a module file or of a directory that holds a module.yaml; a path has a '/' or ends in .yaml. "
            + "Waits until the new version is good: status 8 tells that it was not and the version before serves, 9 that nothing does. Ctrl-C stops waiting and cancels nothing.",
        operands: [OperandSpec("MODULE", names: .modules, "Name, NAME:VERSION, or path of a module file.")],
        options: ModuleOperand.options + [
            OptionSpec(
                "check-index", nil, .integer(0...1_000_000_000), "REVISION",
                "Only if the service is still at this revision, as 'orch plan' told; 0 for none. Otherwise status 6.")
        ] + DeploymentWait.options,
        examples: [
            "orch deploy scheduler", "orch deploy shop:1.2 --runtime podman", "orch deploy ./shop",
            "orch deploy shop.yaml --replicas 3 --detach",
            "orch deploy ./shop --check-index 7",
        ]
    ) { invocation in
        var request = try ModuleOperand.request(invocation)
        request.checkIndex = try invocation.integer("check-index")
        let client = try invocation.client()
        let deployment: DeploymentView = try await client.call("POST", "/v1/deployments", body: request)
        return try await DeploymentWait.conclude(deployment, client, invocation)
    }
}
