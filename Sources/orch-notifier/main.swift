import ActionNotification
import Glibc
import LoggingModule
import ModuleKit
import OrchModel
import OrchSystem

/// The logging module's way of looking into lines, for the notifier's rules.
struct LoggedLines: LineMatching {
    func matcher(pattern: String, fields: [String: String]) throws(OrchError) -> @Sendable (String) -> Bool {
        let matcher = try LineMatcher(pattern: pattern, fields: fields)
        return { matcher.matches($0) }
    }

    func shape(of line: String) -> String { LineMatcher.shape(of: line) }
}

if CommandLine.arguments.dropFirst() == ["health"] { exit(await ModuleEnvironment.isHealthy() ? 0 : 1) }
do {
    try await NotifierProgram.run(matching: LoggedLines())
} catch {
    StandardStream.error.write("level=error msg=\"\(OrchError(wrapping: error, "\(error)").message)\"\n")
    exit(1)
}
