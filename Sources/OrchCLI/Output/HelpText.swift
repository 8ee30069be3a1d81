/// Help for the terminal, from the table of commands.
enum HelpText {
    static func overview(_ commands: [CommandSpec]) -> String {
        var lines = [
            "Usage: orch COMMAND [options]", "",
            "Runs programs as services: deploys, supervises and balances them, and streams their logs.", "",
            "Commands:",
        ]
        for command in commands where !command.isHidden {
            let names = ([command.name] + command.aliases).joined(separator: ", ")
            lines.append("  \(padded(names, 18))\(command.summary)")
        }
        lines += ["", "Options of every command:"]
        lines += options(GlobalOptions.all)
        lines += ["", "'orch COMMAND --help' tells more of a command, 'orch bootstrap' starts an agent."]
        return lines.joined(separator: "\n")
    }

    static func page(_ command: CommandSpec) -> String {
        var lines = ["Usage: \(command.synopsis)", "", command.summary]
        if !command.discussion.isEmpty { lines += ["", command.discussion] }
        if !command.aliases.isEmpty { lines += ["", "Also called: \(command.aliases.joined(separator: ", "))"] }
        if !command.operands.isEmpty {
            lines += ["", "Operands:"]
            lines += command.operands.map { "  \(padded($0.metavar, 24))\($0.help)" }
        }
        if !command.options.isEmpty {
            lines += ["", "Options:"]
            lines += options(command.options)
        }
        lines += ["", "Options of every command:"]
        lines += options(GlobalOptions.all)
        if !command.examples.isEmpty {
            lines += ["", "Examples:"]
            lines += command.examples.map { "  \($0)" }
        }
        return lines.joined(separator: "\n")
    }

    private static func options(_ options: [OptionSpec]) -> [String] {
        options.map { "  \(padded($0.synopsis, 28))\($0.help)\($0.name == "help" ? "" : " [\($0.variable)]")" }
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(2, width - text.count))
    }
}
