import Glibc
import OrchModel
import OrchSystem

/// The program `orch`: reads its words, runs a command, and turns what it throws into a message and an exit status.
package enum CLI {
    /// - Parameter words: without the program's name.
    /// - Returns: the exit status.
    package static func run(_ words: [String]) async -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let environment = currentEnvironment()
        var console = Console(format: nil, color: nil, isQuiet: false, environment: environment)
        do {
            switch try CommandLineParser(commands: CommandTable.all).parse(words) {
            case .version: try console.print("orch \(OrchVersion.current)")
            case .help(let command):
                try console.print(command.map(HelpText.page) ?? HelpText.overview(CommandTable.all))
            case .run(let parsed):
                let directory =
                    environment["PWD"].flatMap { Files.isFolder($0) ? $0 : nil } ?? Files.canonical(".") ?? "/"
                let settings = try Settings(
                    parsed, environment: environment, directory: directory, commands: CommandTable.all)
                var invocation = Invocation(
                    parsed: parsed, settings: settings, environment: environment, directory: directory, console: console
                )
                console = Console(
                    format: try invocation.text("output").flatMap(Console.Format.init(rawValue:)),
                    color: try invocation.text("color"),
                    isQuiet: try invocation.flag("quiet"), environment: environment)
                invocation = Invocation(
                    parsed: parsed, settings: settings, environment: environment, directory: directory, console: console
                )
                return try await parsed.command.run(invocation)
            }
            return 0
        } catch is ClosedPipe {
            return 0
        } catch let error as OrchError {
            // Whoever reads us may have gone while the agent was asked.
            if error.cause is ClosedPipe { return 0 }
            console.error(error.message)
            return error.code.exitStatus
        } catch {
            console.error("\(error)")
            return 1
        }
    }

    static func currentEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            variables[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
            entry += 1
        }
        return variables
    }
}
