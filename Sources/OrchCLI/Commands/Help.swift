import OrchModel

extension CommandSpec {
    static let help = CommandSpec(
        name: "help", summary: "Show help on a command, or on all",
        operands: [OperandSpec("COMMAND", optional: true, repeats: true, "Name of a command.")],
        examples: ["orch help deploy"]
    ) { invocation in
        guard let name = invocation.operands.first else {
            try invocation.console.print(HelpText.overview(CommandTable.all))
            return 0
        }
        guard let command = CommandTable.all.named(invocation.operands) else {
            let hint = nearest(to: name, in: CommandTable.all.filter { !$0.isHidden }.map(\.name)).map {
                "did you mean '\($0)'?"
            }
            throw OrchError(
                .invalidRequest,
                "there is no command \(name.quotedOneLine): \(hint ?? "'orch help' lists the commands")")
        }
        try invocation.console.print(HelpText.page(command))
        return 0
    }
}
