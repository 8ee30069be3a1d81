import OrchClient
import OrchModel

extension CommandSpec {
    static let completion = CommandSpec(
        name: "completion", summary: "Print completions for a shell",
        discussion:
            "The names of modules, instances and topics are asked of the agent; when it is down there are none.",
        operands: [OperandSpec("SHELL", "bash, zsh or fish.")],
        examples: ["source <(orch completion bash)", "orch completion fish > ~/.config/fish/completions/orch.fish"]
    ) { invocation in
        let shell = invocation.operands[0]
        guard let script = CompletionScripts.script(for: shell) else {
            throw OrchError(
                .invalidRequest, "there are completions for bash, zsh and fish, not for \(shell.quotedOneLine)")
        }
        try invocation.console.print(script)
        return 0
    }

    /// What the scripts call: the candidates for the last of the words, one a line. Never an error, never a word to standard error.
    static let complete = CommandSpec(
        name: "__complete", summary: "Print completions for a command line",
        operands: [OperandSpec("WORD", optional: true, repeats: true, "The words so far, the last one unfinished.")],
        isHidden: true
    ) { invocation in
        let engine = CompletionEngine(commands: CommandTable.all)
        let (candidates, names) = engine.complete(invocation.operands)
        var all = candidates
        if let names, let client = try? invocation.client() { all += await LiveCandidates.list(names, client) }
        let prefix = invocation.operands.last ?? ""
        for candidate in all where candidate.hasPrefix(prefix) { try invocation.console.print(candidate) }
        return 0
    }
}

private enum LiveCandidates {
    private static let patience = TimeSpan.milliseconds(500)

    static func list(_ names: LiveNames, _ client: AgentClient) async -> [String] {
        do throws(OrchError) {
            switch names {
            case .modules:
                return try await client.call("GET", "/v1/modules", timeout: patience, as: [ModuleView].self).map(
                    \.name.rawValue)
            case .instances:
                return try await client.call("GET", "/v1/instances", timeout: patience, as: [InstanceView].self).flatMap
                { [$0.id.rawValue, $0.module.rawValue] }
                .uniqued
            case .topics:
                return try await client.call("GET", "/v1/topics", timeout: patience, as: [TopicView].self).map(
                    \.name.rawValue)
            case .deployments:
                return try await client.call("GET", "/v1/deployments", timeout: patience, as: [DeploymentView].self)
                    .map(\.id.rawValue)
            }
        } catch {
            return []
        }
    }
}

extension [String] {
    fileprivate var uniqued: [String] { Set(self).sorted() }
}
