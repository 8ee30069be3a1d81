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

    /// - Throws: ``ModuleFileError`` with every mistake, also in what rules and channels search for and write.
    private func ready(_ text: String, _ path: String) throws(ModuleFileError) -> (NotifierSettings, [RuleMatcher]) {
        let settings = try NotifierFile.parse(text, path: path)
        var (matchers, mistakes): ([RuleMatcher], [Diagnostic]) = ([], [])
        func report(_ name: String, _ error: OrchError) {
            mistakes.append(
                Diagnostic(
                    file: path, line: NotifierFile.line(of: name, in: text), column: 1, message: error.message))
        }
        for rule in settings.rules {
            do throws(OrchError) {
                _ = try TitleWriter([rule])
                matchers.append(try RuleMatcher(rule, matching))
            } catch { report(rule.name, error) }
        }
        for channel in settings.channels {
            do throws(OrchError) { _ = try TextTemplate(channel.template) } catch { report(channel.name, error) }
        }
        if !mistakes.isEmpty { throw ModuleFileError(diagnostics: mistakes) }
        return (settings, matchers)
    }

    /// Every mistake in a file; none when it can be used.
    func mistakes(in text: String, path: String) -> [FileMistake] {
        do throws(ModuleFileError) {
            _ = try ready(text, path)
            return []
        } catch {
            return error.diagnostics.map { FileMistake(line: $0.line, column: $0.column, message: $0.message) }
        }
    }

    /// The file that holds; its text is empty where there is none.
    func file() -> NotifierFileView {
        NotifierFileView(path: path, text: (try? Files.readText(path)) ?? "", isKept: given.isEmpty)
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

    private var stamp: String { Files.stamp(path) ?? "" }
}
