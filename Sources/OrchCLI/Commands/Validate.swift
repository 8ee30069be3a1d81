import OrchModel
import OrchSystem

extension CommandSpec {
    static let validate = CommandSpec(
        name: "validate", summary: "Check module files; needs no agent",
        discussion: "Prints every mistake with file, line and column, and ends with 2 when there is one.",
        operands: [OperandSpec("FILE", repeats: true, "Module file, or directory that holds a module.yaml.")],
        examples: ["orch validate module.yaml", "orch validate examples/*/module.yaml"]
    ) { invocation in
        let paths = try invocation.operands.map { try ModuleOperand.modulePath($0, invocation) }
        // The agent's program holds the parser, so that this one stays small and quick.
        var launch = ProgramLaunch(
            program: Files.sibling("orch-agent"), arguments: ["orch-agent", "validate"] + paths,
            environment: invocation.environment.map { "\($0.key)=\($0.value)" })
        launch.stdio = (nil, 1, 2)
        launch.startsSession = false
        let status = try launch.run(timeout: .seconds(60)) ?? 1
        if status == 0 { for path in paths { invocation.console.note("\(path): right") } }
        return status
    }
}
