import OrchModel

/// What an option's value must be.
enum ValueKind: Sendable {
    /// No value; `--no-NAME` takes it back.
    case flag
    case text
    case integer(ClosedRange<Int>)
    case duration
    case size
    /// RFC 3339, or a duration that lies back.
    case time
    case choice([String])
    case file
    case folder
}

/// What names there are for a value, for completions.
enum LiveNames: String, Sendable {
    case modules, instances, topics, deployments
}

/// One option, from which parsing, help, completions and the manual come.
struct OptionSpec: Sendable {
    let name: String
    let short: Character?
    let kind: ValueKind
    /// How the value is called in help.
    let metavar: String
    let help: String
    let isRepeatable: Bool
    let names: LiveNames?

    init(
        _ name: String, _ short: Character? = nil, _ kind: ValueKind, _ metavar: String, repeats: Bool = false,
        names: LiveNames? = nil, _ help: String
    ) {
        self.name = name
        self.short = short
        self.kind = kind
        self.metavar = metavar
        self.help = help
        isRepeatable = repeats
        self.names = names
    }

    /// A flag.
    init(_ name: String, _ short: Character? = nil, _ help: String) { self.init(name, short, .flag, "", help) }

    var isFlag: Bool { if case .flag = kind { true } else { false } }

    /// The variable that stands for the option: `ORCH_` and its name.
    var variable: String { "ORCH_" + name.uppercased().split(separator: "-").joined(separator: "_") }

    /// As help shows it: `-o, --output FORMAT`.
    var synopsis: String {
        let value = isFlag ? "" : " \(metavar)"
        return (short.map { "-\($0), " } ?? "    ") + "--\(name)\(value)"
    }

    /// What is wrong with a value, or `nil`.
    func complaint(about value: String) -> String? {
        let fits: Bool
        let expected: String
        switch kind {
        case .flag: (fits, expected) = (["true", "false"].contains(value), "true or false")
        case .text, .file, .folder: return nil
        case .integer(let range):
            (fits, expected) = (
                Int(value).map(range.contains) ?? false,
                "a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        case .duration: (fits, expected) = (TimeSpan(value) != nil, "a duration, as in 1m30s")
        case .size: (fits, expected) = (ByteSize(value) != nil, "a size, as in 64K")
        case .time:
            (fits, expected) = (
                Timestamp(rfc3339: value) != nil || TimeSpan(value) != nil, "a time, as in 2026-01-31T08:00:00Z or 10m"
            )
        case .choice(let words):
            let hint = nearest(to: value, in: words).map { "; did you mean \($0)?" } ?? ""
            (fits, expected) = (words.contains(value), "one of \(words.joined(separator: ", "))\(hint)")
        }
        return fits ? nil : "must be \(expected)"
    }
}

struct OperandSpec: Sendable {
    let metavar: String
    let help: String
    let isOptional: Bool
    let isRepeatable: Bool
    let names: LiveNames?

    init(_ metavar: String, optional: Bool = false, repeats: Bool = false, names: LiveNames? = nil, _ help: String) {
        self.metavar = metavar
        self.help = help
        isOptional = optional
        isRepeatable = repeats
        self.names = names
    }

    var synopsis: String {
        let repeated = isRepeatable ? "\(metavar)..." : metavar
        return isOptional ? "[\(repeated)]" : repeated
    }
}

/// One command, from which parsing, help, completions and the manual come.
struct CommandSpec: Sendable {
    /// One word, or two where it is part of another, as `logs analyze`.
    let name: String
    var aliases: [String] = []
    let summary: String
    /// Further sentences for help and the manual.
    var discussion = ""
    var operands: [OperandSpec] = []
    var options: [OptionSpec] = []
    var examples: [String] = []
    /// Not listed, as what completions call.
    var isHidden = false
    /// Does the work and gives the exit status.
    let run: @Sendable (Invocation) async throws -> Int32

    var words: [Substring] { name.split(separator: " ") }

    var synopsis: String {
        (["orch", name] + (options.isEmpty ? [] : ["[options]"]) + operands.map(\.synopsis)).joined(separator: " ")
    }

    var allOptions: [OptionSpec] { options + GlobalOptions.all }
}
