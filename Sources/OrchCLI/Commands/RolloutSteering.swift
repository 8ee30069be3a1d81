import OrchClient
import OrchModel

/// Commands that say how the deployment that goes on shall go on.
extension CommandSpec {
    static let promote = steering(
        "promote", "Let a canary replace the version before",
        "The canary has shown what it can do: the new version gets all requests, and replaces the version before.")
    static let abort = steering(
        "abort", "Take back the deployment that goes on",
        "The version before serves again. Ends with status 8 when it does, as any deployment that was rolled back.")
    static let resume = steering("resume", "Go on with a paused deployment", "")

    static let pause = CommandSpec(
        name: "pause", summary: "Stop the deployment that goes on for now",
        discussion:
            "Nothing more is started or stopped for it until 'orch resume'; what runs stays, and is restarted when it ends. "
            + "A version that fails is still rolled back.",
        operands: [OperandSpec("SERVICE", names: .modules, "Name of a service.")], examples: ["orch pause shop"]
    ) { invocation in
        let name = try ModuleName(checking: invocation.operands[0])
        let deployment: DeploymentView = try await invocation.client().call("POST", "/v1/services/\(name)/pause")
        try invocation.console.show(deployment, name: deployment.id.rawValue) {
            ["\(deployment.kind.rawValue) of \(name) is paused: 'orch resume \(name)' goes on"]
        }
        return 0
    }

    private static func steering(_ verb: String, _ summary: String, _ discussion: String) -> CommandSpec {
        CommandSpec(
            name: verb, summary: summary, discussion: discussion,
            operands: [OperandSpec("SERVICE", names: .modules, "Name of a service.")],
            options: DeploymentWait.options, examples: ["orch \(verb) shop"]
        ) { invocation in
            let name = try ModuleName(checking: invocation.operands[0])
            let client = try invocation.client()
            let deployment: DeploymentView = try await client.call("POST", "/v1/services/\(name)/\(verb)")
            return try await DeploymentWait.conclude(deployment, client, invocation)
        }
    }
}
