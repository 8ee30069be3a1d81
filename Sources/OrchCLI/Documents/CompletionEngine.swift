/// Finds what may stand at the end of a command line, from the table of commands.
struct CompletionEngine: Sendable {
    let commands: [CommandSpec]

    /// - Parameter words: without the program's name; the last one is unfinished and may be empty.
    /// - Returns: fixed candidates, and which names to ask the agent for.
    func complete(_ words: [String]) -> (candidates: [String], names: LiveNames?) {
        let finished = words.dropLast()
        let current = words.last ?? ""
        guard let index = commandIndex(in: Array(finished)) else {
            let names = commands.filter { !$0.isHidden && $0.words.count == 1 }.flatMap { [$0.name] + $0.aliases }
            return (current.hasPrefix("-") ? optionWords(GlobalOptions.all) : names, nil)
        }
        guard let command = commands.named(finished[index...]) else { return ([], nil) }
        let first = index + command.words.count
        if let previous = finished.last, finished.count > first, let option = option(previous, of: command),
            !option.isFlag
        {
            return (choices(of: option), option.names)
        }
        if current.hasPrefix("-") { return (optionWords(command.allOptions), nil) }
        if command.name == "completion" { return (["bash", "zsh", "fish"], nil) }
        if command.name == "help" { return (commands.filter { !$0.isHidden }.map(\.name), nil) }
        let given = operandCount(Array(finished[first...]), command)
        let operand =
            given < command.operands.count ? command.operands[given] : command.operands.last { $0.isRepeatable }
        let parts = finished.count == index + 1 ? commands.filter { $0.words.first == command.words.first } : []
        return (parts.compactMap { $0.words.count == 2 ? String($0.words[1]) : nil }, operand?.names)
    }

    private func commandIndex(in words: [String]) -> Int? {
        var index = 0
        while index < words.count {
            guard words[index].hasPrefix("-") else { return index }
            let takesValue = GlobalOptions.all.contains {
                !$0.isFlag && (words[index] == "--\($0.name)" || words[index] == $0.short.map { "-\($0)" })
            }
            index += takesValue ? 2 : 1
        }
        return nil
    }

    private func operandCount(_ words: [String], _ command: CommandSpec) -> Int {
        var count = 0
        var skipsNext = false
        for word in words {
            if skipsNext {
                skipsNext = false
            } else if word.hasPrefix("-") {
                skipsNext = option(word, of: command).map { !$0.isFlag } ?? false
            } else {
                count += 1
            }
        }
        return count
    }

    private func option(_ word: String, of command: CommandSpec) -> OptionSpec? {
        command.allOptions.first { word == "--\($0.name)" || word == $0.short.map { "-\($0)" } }
    }

    private func choices(of option: OptionSpec) -> [String] {
        if case .choice(let words) = option.kind { words } else { [] }
    }

    private func optionWords(_ options: [OptionSpec]) -> [String] { options.map { "--\($0.name)" } }
}
