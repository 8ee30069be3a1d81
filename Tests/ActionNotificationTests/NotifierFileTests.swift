import Logging
import OrchModel
import OrchModuleFile
import TestSupport
import Testing

@testable import ActionNotification

@Suite struct NotifierFileTests {
    /// Knows one pattern that is none.
    private struct Matching: LineMatching {
        func matcher(pattern: String, fields: [String: String]) throws(OrchError) -> @Sendable (String) -> Bool {
            if pattern == "(" { throw OrchError(.invalidRequest, "'(' is no regular expression") }
            return { _ in true }
        }

        func shape(of line: String) -> String { line }
    }

    private static func source(_ folder: TemporaryFolder) -> RulesSource {
        RulesSource(
            given: nil, data: folder.path, matching: Matching(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `what is applied can be used, and nothing else is kept`() throws {
        let folder = TemporaryFolder()
        let source = Self.source(folder)
        #expect(throws: ModuleFileError.self) {
            try source.replace(with: "rules: [{name: a, match: {events: [x]}, title: '{{#b}}'}]", path: "f")
        }
        #expect(try source.read().settings.rules.contains { $0.name == "a" } == false)
        try source.replace(with: "rules: [{name: a, match: {events: [x]}, title: '{{module}}'}]", path: "f")
        #expect(try source.read().settings.rules.contains { $0.name == "a" })
    }

    @Test(arguments: [
        (
            "rules: [{name: a, match: {events: [x]}, thershold: {}}]",
            "f:1:41: unknown key 'thershold' in 'rules[0]': did you mean 'threshold'?"
        ),
        ("channels: [{name: a}]", "f:1:12: 'channels[0].type' is missing"),
        ("channels:\n  - {name: a, type: mail}", "f:2:21: 'channels[0].type' must be one of"),
        ("channels:\n  - {name: a, type: webhook, url: x}", "f:2:1: channel a needs a 'url'"),
        (
            "channels:\n  - {name: a, type: slack, url: 'http://x', url_file: y}",
            "f:2:1: channel a has both 'url' and 'url_file'"
        ),
        ("channels:\n  - {name: m, type: email, server: x, from: a@b, to: [c@d]}", "f:2:1: channel m needs 'server'"),
        (
            "channels:\n  - {name: m, type: email, server: 'x:25', from: 'a@b', to: ['c d@e']}",
            "needs 'to' with addresses"
        ),
        ("channels:\n  - {name: m, type: email, server: 'x:25', from: a@b, to: [c@d], user: u}", "needs 'secret_file'"),
        (
            "channels:\n  - {name: m, type: email, server: 'x:25', from: a@b, to: [c@d], user: u, secret_file: s, security: none}",
            "password in the open"
        ),
        ("channels:\n  - {name: c, type: command, command: x, quiet: {from: '25:00', to: '07:00'}}", "is no time"),
        ("channels:\n  - {name: c, type: command, command: x, quiet: {from: '22:00'}}", "needs both"),
        (
            "channels:\n  - {name: c, type: command, command: x, quiet: {time_zone: Mars/Base}}",
            "no time zone 'Mars/Base'"
        ),
        ("rules:\n  - {name: a, match: {events: [x]}, notify: [ops]}", "f:2:1: rule a names the channel 'ops'"),
        ("rules:\n\n  - {name: a, match: {topics: [x]}}", "f:3:1: rule a would match every line"),
        ("rules:\n  - {name: a, match: {events: [x], level: error}}", "mean nothing"),
        ("rules:\n  - {name: a, match: {events: [x]}, act: {action: run}}", "must say which"),
        ("rules:\n  - {name: a, match: {events: [x]}, escalate: {after: 1m}}", "escalates to nobody"),
        ("rules:\n  - {name: a, match: {events: [x]}}\n  - {name: a, match: {events: [y]}}", "2 rules called a"),
        ("disable: [crash-lop]", "no rule 'crash-lop' ships"),
        ("rules: [", "f:2:1: no valid YAML"),
        ("rules:\n  - {name: a, match: {pattern: '('}}", "f:2:1: rule a: '(' is no regular expression"),
        ("rules:\n  - {name: a, match: {events: [x]}, advice: '{{#b}}'}", "f:2:1: "),
        ("channels:\n  - {name: w, type: webhook, url: 'http://x', template: '{{#b}}'}", "f:2:1: "),
    ])
    func `mistakes are told with their line and what to do`(text: String, message: String) {
        let mistakes = Self.source(TemporaryFolder()).mistakes(in: text, path: "f").map {
            "f:\($0.line):\($0.column): \($0.message)"
        }
        #expect(mistakes.contains { $0.contains(message) }, "\(mistakes)")
    }

    @Test func `the rules that ship are right, and can be replaced and left out`() throws {
        let plain = try NotifierFile.parse("", path: "f")
        #expect(plain.rules.count == 11)
        #expect(plain.rules.allSatisfy { !$0.title.isEmpty && !$0.advice.isEmpty })
        let own = try NotifierFile.parse(
            "disable: [log-loss]\nrules: [{name: crash-loop, match: {events: [x]}}]", path: "f")
        #expect(own.rules.count == 10)
        #expect(own.rules.first { $0.name == "crash-loop" }?.match.events == ["x"])
        _ = try TitleWriter(plain.rules)
    }

    @Test(arguments: [
        ("22:00", "07:00", "2026-01-31T20:59:00Z", nil),
        ("22:00", "07:00", "2026-01-31T21:00:30Z", "2026-02-01T06:00:00Z"),
        ("22:00", "07:00", "2026-02-01T05:59:59Z", "2026-02-01T06:00:00Z"),
        ("22:00", "07:00", "2026-02-01T06:00:00Z", nil),
        ("09:00", "17:00", "2026-07-01T07:30:00Z", "2026-07-01T15:00:00Z"),
        ("09:00", "17:00", "2026-07-01T15:00:00Z", nil),
        ("", "", "2026-01-31T23:00:00Z", nil),
        // The clock is set forward on March 29, and back on October 25.
        ("22:00", "07:00", "2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z"),
        ("22:00", "07:00", "2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"),
    ])
    func `quiet hours end when the clock of their zone says so`(from: String, to: String, now: String, due: String?)
        throws
    {
        let quiet = ChannelSettings.QuietHours(from: from, to: to, timeZone: "Europe/Berlin", except: .critical)
        let time = try #require(Timestamp(rfc3339: now))
        #expect(quiet.due(.warning, at: time) == due.flatMap { Timestamp(rfc3339: $0) } ?? time)
        #expect(quiet.due(.critical, at: time) == time)
    }
}
