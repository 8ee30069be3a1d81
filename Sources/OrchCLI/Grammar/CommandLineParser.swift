import OrchModel

/// The words of a command line, sorted into a command, its options and its operands.
struct ParsedCommand: Sendable {
    var command: CommandSpec
    /// Values by option, in the order they were given; flags are `true` or `false`.
    var values: [String: [String]] = [:]
    var operands: [String] = []
}

/// What the words ask for.
enum ParseResult: Sendable {
    case run(ParsedCommand)
    /// Help on a command, or on all of them.
    case help(CommandSpec?)
    case version
}

/// Reads command lines as the table says: options stand before or behind operands, as `--x=v`, `--x v`, `-xv`, `-abc`,
/// `--no-x`; `--` ends them. Each mistake is an `invalidRequest` that names the nearest right word.
struct CommandLineParser: Sendable {
    let commands: [CommandSpec]

    func parse(_ words: [String]) throws(OrchError) -> ParseResult {
        var words = words[...]
        var leading: [String] = []
        // Global options may stand before the command.
        while let word = words.first, word.hasPrefix("-"), word != "-" {
            words = words.dropFirst()
            if word == "--version" || word == "-V" { return .version }
            leading.append(word)
            if takesNextWord(word, GlobalOptions.all), let value = words.first {
                leading.append(value)
                words = words.dropFirst()
            }
        }
        let wantsHelp = asksForHelp(leading) || asksForHelp(Array(words))
        guard let name = words.first else {
            if !wantsHelp { try complainAboutOptions(leading) }
            return .help(nil)
        }
        guard let command = commands.named(words) else {
            let known = commands.filter { !$0.isHidden }.flatMap { [$0.name] + $0.aliases }
            let hint = nearest(to: name, in: known).map { "did you mean '\($0)'?" } ?? "'orch help' lists the commands"
            throw OrchError(.invalidRequest, "there is no command \(name.quotedOneLine): \(hint)")
        }
        if wantsHelp { return .help(command) }
        return .run(try parse(leading + words.dropFirst(command.words.count), for: command))
    }

    /// `--help` wins wherever it stands, before anything is done; only behind `--` it is an operand.
    private func asksForHelp(_ words: [String]) -> Bool {
        words.prefix { $0 != "--" }.contains { $0 == "--help" || $0 == "-h" }
    }

    private func takesNextWord(_ word: String, _ options: [OptionSpec]) -> Bool {
        guard !word.contains("=") else { return false }
        if word.hasPrefix("--") { return options.contains { $0.name == word.dropFirst(2) && !$0.isFlag } }
        return word.count == 2 && options.contains { $0.short == word.last && !$0.isFlag }
    }

    private func complainAboutOptions(_ words: [String]) throws(OrchError) {
        let nothing = CommandSpec(name: "", summary: "") { _ in 0 }
        _ = try parse(words, for: nothing)
    }

    private func parse(_ words: [String], for command: CommandSpec) throws(OrchError) -> ParsedCommand {
        var parsed = ParsedCommand(command: command)
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                parsed.operands += rest
                break
            } else if word.hasPrefix("--") {
                try parseLong(String(word.dropFirst(2)), &rest, &parsed)
            } else if word.hasPrefix("-"), word.count > 1 {
                try parseShort(String(word.dropFirst()), &rest, &parsed)
            } else {
                parsed.operands.append(word)
            }
        }
        try checkOperands(parsed)
        return parsed
    }

    private func parseLong(_ text: String, _ rest: inout ArraySlice<String>, _ parsed: inout ParsedCommand)
        throws(OrchError)
    {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        let options = parsed.command.allOptions
        if let option = options.first(where: { $0.name == name }) {
            if option.isFlag {
                try add(parts.count == 2 ? parts[1] : "true", to: option, &parsed)
            } else {
                try add(parts.count == 2 ? parts[1] : value(of: option, from: &rest), to: option, &parsed)
            }
        } else if name.hasPrefix("no-"), parts.count == 1,
            let option = options.first(where: { $0.name == name.dropFirst(3) && $0.isFlag })
        {
            try add("false", to: option, &parsed)
        } else {
            let hint = nearest(to: name, in: options.map(\.name)).map { "did you mean '--\($0)'?" }
            throw OrchError(
                .invalidRequest,
                "there is no option \("--\(name)".quotedOneLine): \(hint ?? "'orch \(parsed.command.name) --help' lists them")"
            )
        }
    }

    /// `-abc` are flags, the last of which may take a value: the rest of the word, or the next one.
    private func parseShort(_ text: String, _ rest: inout ArraySlice<String>, _ parsed: inout ParsedCommand)
        throws(OrchError)
    {
        var letters = text[...]
        while let letter = letters.popFirst() {
            guard let option = parsed.command.allOptions.first(where: { $0.short == letter }) else {
                throw OrchError(
                    .invalidRequest,
                    "there is no option \("-\(letter)".quotedOneLine): 'orch \(parsed.command.name) --help' lists them")
            }
            if option.isFlag {
                try add("true", to: option, &parsed)
                continue
            }
            if letters.first == "=" { letters = letters.dropFirst() }
            try add(letters.isEmpty ? value(of: option, from: &rest) : String(letters), to: option, &parsed)
            return
        }
    }

    private func value(of option: OptionSpec, from rest: inout ArraySlice<String>) throws(OrchError) -> String {
        guard let value = rest.popFirst() else {
            throw OrchError(
                .invalidRequest, "the option --\(option.name) needs a value: --\(option.name) \(option.metavar)")
        }
        return value
    }

    private func add(_ value: String, to option: OptionSpec, _ parsed: inout ParsedCommand) throws(OrchError) {
        if let complaint = option.complaint(about: value) {
            throw OrchError(
                .invalidRequest, "--\(option.name) \(complaint), not \(String(value.prefix(80)).quotedOneLine)")
        }
        if option.isRepeatable {
            parsed.values[option.name, default: []].append(value)
        } else {
            parsed.values[option.name] = [value]
        }
    }

    private func checkOperands(_ parsed: ParsedCommand) throws(OrchError) {
        let command = parsed.command
        let needed = command.operands.filter { !$0.isOptional }
        if parsed.operands.count < needed.count {
            throw OrchError(.invalidRequest, "\(needed[parsed.operands.count].metavar) is missing: \(command.synopsis)")
        }
        if parsed.operands.count > command.operands.count, !(command.operands.last?.isRepeatable ?? false) {
            throw OrchError(
                .invalidRequest,
                "\(String(parsed.operands[command.operands.count].prefix(80)).quotedOneLine) is one word too many: \(command.synopsis)"
            )
        }
    }
}

extension [CommandSpec] {
    /// The command that some words begin with: one of two words, as `logs analyze`, wins over one of the first.
    func named(_ words: some Collection<String>) -> CommandSpec? {
        let two = words.prefix(2).joined(separator: " ")
        return first { $0.words.count == 2 && $0.name == two }
            ?? first { $0.name == words.first || $0.aliases.contains(words.first ?? "") }
    }
}
