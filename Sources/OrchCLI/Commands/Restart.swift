extension CommandSpec {
    static let restart = CommandSpec(
        name: "restart", summary: "Replace the instances of a service, or restart one in place",
        operands: [OperandSpec("NAME", repeats: true, names: .modules, "Name of a service, or id of an instance.")],
        options: DeploymentWait.options,
        examples: ["orch restart shop", "orch restart shop-k3v9qd"]
    ) { invocation in try await ServiceChange.run("restart", invocation) }
}
