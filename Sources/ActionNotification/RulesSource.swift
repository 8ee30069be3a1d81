import Glibc
import Logging
import OrchModel
import OrchModuleFile
import OrchSystem

/// Where the settings come from: a file that somebody names or that belongs to the module's configuration, or else the one that
/// was applied last, which is kept with everything else that the notifier knows.
struct RulesSource: Sendable {
    private static let lookInterval = Duration.seconds(1)

    /// That of the environment; empty for none.
    let given: String
    let kept: String
    let matching: any LineMatching
    let logger: Logger

    /// - Parameters:
    ///   - given: what the environment names.
    ///   - data: the notifier's own folder.
    init(given: String?, data: String, matching: any LineMatching, logger: Logger) {
        self.given = given.flatMap { Files.exists($0) ? $0 : nil } ?? ""
        kept = "\(data)/\(NotifierFile.fileName)"
        self.matching = matching
        self.logger = logger
    }

    private var path: String { given.isEmpty ? kept : given }

    /// - Throws: ``ModuleFileError``, ``OrchError`` or ``SystemError``. A file that is not there stands for no settings.
    func read() throws -> (settings: NotifierSettings, matchers: [RuleMatcher]) {
        try ready(Files.exists(path) ? Files.readText(path) : "", path)
    }

    private func ready(_ text: String, _ path: String) throws -> (NotifierSettings, [RuleMatcher]) {
        let settings = try NotifierFile.parse(text, path: path)
        return (settings, try settings.rules.map { rule throws(OrchError) in try RuleMatcher(rule, matching) })
    }

    /// Keeps other settings from now on.
    ///
    /// - Throws: `conflict` where a file of somebody else's holds.
    func replace(with text: String, path name: String) throws {
        guard given.isEmpty else {
            throw OrchError(.conflict, "the rules come from \(given): change that file, which is read at once")
        }
        _ = try ready(text, name)
        do throws(SystemError) { try Files.replace(kept, with: text, durable: true) } catch {
            throw OrchError(.failed, "the rules cannot be kept: \(error.reason)", cause: error)
        }
    }

    /// Takes changed settings over; a file with a mistake changes nothing. Runs until the task is cancelled.
    func follow(_ notifier: Notifier) async {
        var known = stamp
        while (try? await Task.sleep(for: Self.lookInterval)) != nil {
            let current = stamp
            guard current != known else { continue }
            known = current
            do {
                let (settings, matchers) = try read()
                try await notifier.use(settings, matchers: matchers)
                logger.info(
                    "the settings were changed",
                    metadata: ["rules": "\(settings.rules.count)", "channels": "\(settings.channels.count)"])
            } catch let error as ModuleFileError {
                for mistake in error.diagnostics {
                    logger.error("the settings before stay", metadata: ["mistake": "\(mistake)"])
                }
            } catch {
                logger.error("the settings before stay", metadata: ["cause": "\(error)"])
            }
        }
    }

    private var stamp: String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "" }
        return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}
