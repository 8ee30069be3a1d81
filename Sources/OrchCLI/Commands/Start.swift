extension CommandSpec {
    static let start = CommandSpec(
        name: "start", summary: "Start a stopped service or instance",
        operands: [OperandSpec("NAME", repeats: true, names: .modules, "Name of a service, or id of an instance.")],
        options: DeploymentWait.options,
        examples: ["orch start shop", "orch start shop-k3v9qd"]
    ) { invocation in try await ServiceChange.run("start", invocation) }
}
