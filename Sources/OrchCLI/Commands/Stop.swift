extension CommandSpec {
    static let stop = CommandSpec(
        name: "stop", summary: "Stop a service or one instance; its record stays",
        operands: [OperandSpec("NAME", repeats: true, names: .modules, "Name of a service, or id of an instance.")],
        options: DeploymentWait.options,
        examples: ["orch stop shop", "orch stop shop-k3v9qd"]
    ) { invocation in try await ServiceChange.run("stop", invocation) }
}
