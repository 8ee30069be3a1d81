import FoundationEssentials
import OrchModel
import OrchSystem

/// Where the value of a setting comes from.
enum SettingSource: Sendable, Equatable, CustomStringConvertible {
    case option
    case variable(String)
    case file(String)
    case standard

    var description: String {
        switch self {
        case .option: "option"
        case .variable(let name): "environment (\(name))"
        case .file(let path): path
        case .standard: "default"
        }
    }
}

/// The values of options by precedence: option, environment, the project's file `.orch`, the user's file.
struct Settings: Sendable {
    /// `name = value` lines; `command.name = value` holds for one command only. `#` begins a comment.
    private struct File {
        var path: String
        var values: [String: String]
    }

    private let parsed: ParsedCommand
    private let environment: [String: String]
    private let files: [File]

    init(_ parsed: ParsedCommand, environment: [String: String], directory: String, commands: [CommandSpec])
        throws(OrchError)
    {
        self.parsed = parsed
        self.environment = environment
        var files: [File] = []
        for path in Self.filePaths(environment, directory) where Files.exists(path) {
            files.append(File(path: path, values: try Self.read(path, commands)))
        }
        self.files = files
    }

    /// The project's file is looked for from the working directory upwards.
    static func filePaths(_ environment: [String: String], _ directory: String) -> [String] {
        var paths: [String] = []
        var folder = directory
        while true {
            let path = folder == "/" ? "/.orch" : "\(folder)/.orch"
            if Files.exists(path), !Files.isFolder(path) {
                paths.append(path)
                break
            }
            if folder == "/" || folder == "." { break }
            folder = Files.parent(of: folder)
        }
        if let base = environment["XDG_CONFIG_HOME"] ?? environment["HOME"].map({ "\($0)/.config" }) {
            paths.append("\(base)/orch/config")
        }
        return paths
    }

    private static func read(_ path: String, _ commands: [CommandSpec]) throws(OrchError) -> [String: String] {
        let text: String
        do throws(SystemError) { text = try Files.readText(path) } catch {
            throw OrchError(.invalidRequest, "\(path) cannot be read: \(error.reason)", cause: error)
        }
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let content = line.trimmed
            if content.isEmpty || content.hasPrefix("#") { continue }
            guard let equals = content.firstIndex(of: "=") else {
                throw OrchError(.invalidRequest, "\(path):\(index + 1): expected 'name = value'")
            }
            let key = content[..<equals].trimmed
            let value = content[content.index(after: equals)...].trimmed
            let known =
                GlobalOptions.all.map(\.name)
                + commands.flatMap { command in command.options.map { "\(command.name).\($0.name)" } }
            guard known.contains(key) else {
                let hint = nearest(to: key, in: known).map { "; did you mean '\($0)'?" } ?? ""
                throw OrchError(
                    .invalidRequest, "\(path):\(index + 1): there is no setting \(key.quotedOneLine)\(hint)")
            }
            values[key] = value
        }
        return values
    }

    /// All values of an option, and where they come from. The first source that has any wins.
    func lookUp(_ option: OptionSpec) throws(OrchError) -> (values: [String], source: SettingSource) {
        if let values = parsed.values[option.name] { return (values, .option) }
        if let value = environment[option.variable], !value.isEmpty {
            if let complaint = option.complaint(about: value) {
                throw OrchError(.invalidRequest, "\(option.variable) \(complaint), not \(value.quotedOneLine)")
            }
            return (
                option.isRepeatable ? value.split(separator: ",").map(String.init) : [value], .variable(option.variable)
            )
        }
        for file in files {
            guard let value = file.values["\(parsed.command.name).\(option.name)"] ?? file.values[option.name] else {
                continue
            }
            if let complaint = option.complaint(about: value) {
                throw OrchError(
                    .invalidRequest, "\(file.path): '\(option.name)' \(complaint), not \(value.quotedOneLine)")
            }
            return ([value], .file(file.path))
        }
        return ([], .standard)
    }
}

extension StringProtocol {
    var trimmed: String {
        var text = Substring(self)
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
