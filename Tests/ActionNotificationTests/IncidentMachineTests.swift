import OrchModel
import Testing

@testable import ActionNotification

/// Looks for a text instead of a regular expression.
private struct PlainMatching: LineMatching {
    func matcher(pattern: String, fields: [String: String]) throws(OrchError) -> @Sendable (String) -> Bool {
        { pattern.isEmpty || $0.contains(pattern) }
    }

    func shape(of line: String) -> String { line }
}

private let channels = "channels: [{name: a, type: command, command: x}, {name: b, type: command, command: x}]\n"

/// A machine that can be talked to within an expectation.
private final class Subject {
    private var machine: IncidentMachine

    init(_ machine: IncidentMachine) { self.machine = machine }

    convenience init(_ rules: String) throws {
        var settings = try NotifierFile.parse(channels + rules, path: "notifier.yaml")
        settings.rules = settings.rules.filter { rules.contains("name: \($0.name)") }
        self.init(
            IncidentMachine(
                settings, matchers: try settings.rules.map { try RuleMatcher($0, PlainMatching()) }, own: "notifier",
                tracks: [:], silences: [], nextNumber: 1))
    }

    var nextTick: Timestamp? { machine.nextTick }
    var incidents: [Incident] { machine.incidents }
    var silences: [Silence] { machine.silences }

    func observe(_ seen: Observation) { machine.observe(seen) }
    func tick(at now: Timestamp) { machine.tick(at: now) }
    func add(_ silence: Silence) { machine.add(silence) }
    var tracks: [IncidentMachine.Key: IncidentMachine.Track] { machine.tracks }
    func apply(_ rules: String) throws {
        machine = machine.with(try NotifierFile.parse(rules, path: "f"), matchers: [])
    }

    func takeResults() -> (
        effects: [IncidentMachine.Effect], changed: [IncidentMachine.Key: IncidentMachine.Track?], nextNumber: Int64
    ) {
        machine.takeResults()
    }
    func acknowledge(_ id: String, by who: String, at now: Timestamp) throws -> Incident {
        try machine.acknowledge(id, by: who, at: now)
    }

    /// What was told, in short.
    func told() -> [String] {
        machine.takeResults().effects.map { effect in
            switch effect {
            case .notify(let incident, let occasion, let channels):
                "\(incident.rule) \(incident.group) \(occasion.rawValue) \(channels.joined(separator: ","))"
            case .act(let action, let module, _): "\(action.action.rawValue) \(module)"
            case .refused(let action, _, let reason): "\(action.action.rawValue) refused: \(reason)"
            }
        }
    }
}

@Suite struct IncidentMachineTests {

    private static func event(_ kind: String, _ second: Int64, module: String = "shop", text: String = "")
        -> Observation
    {
        Observation(
            at: Timestamp(seconds: second), kind: .event(kind), text: text, module: module, instance: "\(module)-1")
    }

    private static func line(_ text: String, _ second: Int64, level: String = "error", isNew: Bool = false)
        -> Observation
    {
        Observation(
            at: Timestamp(seconds: second), kind: .line(level: level, topic: "shop", isNewPattern: isNew), text: text,
            module: "shop", instance: "shop-1")
    }

    private static let loop = """
        rules:
          - name: loop
            match: {events: [instance.restarting]}
            threshold: {count: 3, within: 10s}
            resolve: {quiet: 60s}
            notify: [a]

        """

    @Test func `enough within the window is one incident, told once, and over when it is quiet`() throws {
        let machine = try Subject(Self.loop)
        for second: Int64 in [0, 8, 20, 26] { machine.observe(Self.event("instance.restarting", second)) }
        #expect(machine.told().isEmpty)
        machine.observe(Self.event("instance.restarting", 29))
        #expect(machine.told() == ["loop shop opened a"])
        for second: Int64 in 30..<60 { machine.observe(Self.event("instance.restarting", second)) }
        machine.tick(at: Timestamp(seconds: 118))
        #expect(machine.told().isEmpty)
        #expect(machine.nextTick == Timestamp(seconds: 119))
        machine.tick(at: Timestamp(seconds: 119))
        #expect(machine.told() == ["loop shop resolved a"])
        #expect(machine.incidents.first?.count == 33)
        #expect(machine.nextTick == nil)
        // The next time it is another one.
        for second: Int64 in [200, 201, 202] { machine.observe(Self.event("instance.restarting", second)) }
        #expect(machine.told() == ["loop shop opened a"])
        #expect(machine.incidents.map(\.id) == ["i-2"])
    }

    @Test func `each group counts by itself, and an event resolves its own`() throws {
        let machine = try Subject(
            "rules: [{name: down, match: {events: ['*.failed']}, resolve: {events: [deployment.succeeded], quiet: 0s}}]\n"
        )
        machine.observe(Self.event("instance.failed", 1))
        machine.observe(Self.event("deployment.failed", 2, module: "bank"))
        #expect(machine.told() == ["down shop opened a,b", "down bank opened a,b"])
        machine.observe(Self.event("deployment.succeeded", 3, module: "bank"))
        machine.observe(Self.event("deployment.succeeded", 4, module: "other"))
        #expect(machine.told() == ["down bank resolved a,b"])
        machine.tick(at: Timestamp(seconds: 1_000_000))
        #expect(machine.told().isEmpty)
    }

    @Test(arguments: [
        ("level: error", "x", "error", true), ("level: error", "x", "warning", false),
        ("level: error, pattern: lost", "x", "error", false), ("pattern: lost", "is lost", "info", true),
        ("level: warning, topics: [bank]", "x", "error", false),
        ("level: warning, topics: ['s*p']", "x", "error", true),
        ("level: warning, modules: [bank]", "x", "error", false), ("level: debug, labels: {a: b}", "x", "error", false),
    ])
    func `lines match by all that is said`(match: String, text: String, level: String, isMeant: Bool) throws {
        let machine = try Subject("rules: [{name: lines, match: {\(match)}}]\n")
        machine.observe(Self.line(text, 1, level: level))
        machine.observe(Self.event("instance.exited", 2, text: text))
        #expect(machine.told().isEmpty == !isMeant)
    }

    @Test func `only a new pattern counts where that is said`() throws {
        let machine = try Subject("rules: [{name: new, match: {level: error}, threshold: {new_pattern: true}}]\n")
        machine.observe(Self.line("known", 1))
        #expect(machine.told().isEmpty)
        machine.observe(Self.line("new", 2, isNew: true))
        #expect(machine.told() == ["new shop opened a,b"])

        var memory = PatternMemory(known: [:], deployed: [])
        var found = [memory.isNew("one", of: "shop")]
        memory.noteDeploy(of: "shop")
        memory.noteDeploy(of: "unheard-of")
        found += [memory.isNew("one", of: "shop"), memory.isNew("two", of: "shop"), memory.isNew("two", of: "shop")]
        found.append(memory.isNew("first", of: "unheard-of"))
        #expect(found == [false, false, true, false, false])
        let added = memory.takeAdded().map(\.shape)
        #expect(added == ["one", "two", "first"])
    }

    @Test func `what stays away is an incident until it comes`() throws {
        let machine = try Subject(
            "rules: [{name: beat, match: {pattern: alive}, threshold: {absence: 30s}, resolve: {quiet: 0s}}]\n")
        machine.tick(at: Timestamp(seconds: 0))
        #expect(machine.nextTick == Timestamp(seconds: 30))
        machine.observe(Self.line("alive", 20, level: "info"))
        machine.tick(at: Timestamp(seconds: 49))
        #expect(machine.told().isEmpty)
        machine.tick(at: Timestamp(seconds: 50))
        #expect(machine.told() == ["beat shop opened a,b"])
        machine.observe(Self.line("alive", 70, level: "info"))
        #expect(machine.told() == ["beat shop resolved a,b"])
        #expect(machine.nextTick == Timestamp(seconds: 100))
    }

    @Test func `the first that is seen ends what was said of a rule as a whole`() throws {
        let machine = try Subject(
            "rules: [{name: beat, match: {pattern: alive}, threshold: {absence: 30s}, resolve: {quiet: 0s}}]\n")
        machine.tick(at: Timestamp(seconds: 0))
        machine.tick(at: Timestamp(seconds: 30))
        #expect(machine.told() == ["beat  opened a,b"])
        machine.observe(Self.line("alive", 40, level: "info"))
        #expect(machine.told() == ["beat  resolved a,b"])
        #expect(machine.nextTick == Timestamp(seconds: 70))
        machine.tick(at: Timestamp(seconds: 60))
        #expect(machine.told().isEmpty)
    }

    @Test func `what is still wrong when a silence ends is told then`() throws {
        let machine = try Subject(
            "rules: [{name: down, match: {events: [x]}, remind: 5s, resolve: {events: [y], quiet: 0s}}]\n")
        machine.add(Silence(id: "s", rule: "", module: "", until: Timestamp(seconds: 100), reason: ""))
        machine.observe(Self.event("x", 10))
        machine.tick(at: Timestamp(seconds: 50))
        #expect(machine.told().isEmpty)
        #expect(machine.nextTick == Timestamp(seconds: 100))
        machine.tick(at: Timestamp(seconds: 100))
        #expect(machine.told().first == "down shop opened a,b")
        machine.add(Silence(id: "t", rule: "", module: "", until: Timestamp(seconds: 200), reason: ""))
        machine.tick(at: Timestamp(seconds: 150))
        #expect(machine.told().isEmpty)
        machine.observe(Self.event("y", 160))
        #expect(machine.told() == ["down shop resolved a,b"])
    }

    @Test func `a text is bounded, however long a line is`() throws {
        let machine = try Subject("rules: [{name: down, match: {events: [x]}}]\n")
        machine.observe(Self.event("x", 10, text: String(repeating: "é", count: 200_000)))
        #expect(machine.incidents.first?.text.unicodeScalars.count == 1000)
    }

    @Test func `nobody who acknowledges means others are told, and reminders come`() throws {
        let machine = try Subject(
            """
            rules:
              - {name: down, match: {events: [x]}, notify: [a], escalate: {after: 10m, notify: [b]}, remind: 15m, resolve: {quiet: 0s, events: [y]}}

            """)
        machine.observe(Self.event("x", 0))
        machine.tick(at: Timestamp(seconds: 599))
        #expect(machine.told() == ["down shop opened a"])
        machine.tick(at: Timestamp(seconds: 600))
        machine.tick(at: Timestamp(seconds: 900))
        #expect(machine.told() == ["down shop escalated b", "down shop reminder a"])
        machine.observe(Self.event("y", 901))
        // Whoever was told is told that it is over.
        #expect(machine.told() == ["down shop resolved a,b"])

        machine.observe(Self.event("x", 1000))
        let incident = try machine.acknowledge("i-2", by: "me", at: Timestamp(seconds: 1001))
        #expect(incident.acknowledgedBy == "me")
        machine.tick(at: Timestamp(seconds: 9000))
        #expect(machine.told() == ["down shop opened a"])
        #expect(throws: OrchError.self) { _ = try machine.acknowledge("i-9", by: "me", at: Timestamp(seconds: 1)) }
    }

    @Test func `a silence hides what it covers, for its time`() throws {
        let machine = try Subject("rules: [{name: down, match: {events: [x]}, resolve: {events: [y], quiet: 0s}}]\n")
        machine.add(Silence(id: "s", rule: "", module: "sh*", until: Timestamp(seconds: 100), reason: ""))
        machine.observe(Self.event("x", 10))
        machine.observe(Self.event("y", 20))
        #expect(machine.told().isEmpty)
        machine.observe(Self.event("x", 30, module: "bank"))
        #expect(machine.told() == ["down bank opened a,b"])
        machine.tick(at: Timestamp(seconds: 100))
        machine.observe(Self.event("x", 101))
        #expect(machine.told() == ["down shop opened a,b"])
        #expect(machine.silences.isEmpty)
    }

    @Test func `acts stay within their bounds`() throws {
        let rule = """
            rules:
              - name: bad
                match: {events: [x]}
                resolve: {events: [y], quiet: 0s}
                notify: [a]
                act: {action: restart, cooldown: 10s, most: 2, within: 1h}

            """
        let machine = try Subject(rule)
        func round(_ second: Int64, module: String = "shop") -> [String] {
            machine.observe(Self.event("x", second, module: module))
            machine.observe(Self.event("y", second, module: module))
            return machine.told().filter { $0.hasPrefix("restart") }
        }
        #expect(round(0) == ["restart shop"])
        #expect(round(5) == ["restart refused: the last time was 5s ago, and the cool-down is 10s"])
        #expect(round(20) == ["restart shop"])
        #expect(round(40) == ["restart refused: it has acted 2 times within 1h"])
        #expect(round(41, module: "other") == ["restart other"])
        #expect(round(42, module: "notifier") == ["restart refused: it never acts on itself"])
        #expect(round(3700) == ["restart shop"])
        let dry = try Subject(rule.replacing("cooldown: 10s", with: "dry_run: true"))
        dry.observe(Self.event("x", 0))
        #expect(dry.told().last == "restart refused: this is a dry run")
    }

    @Test func `what was known goes on after a restart`() throws {
        let first = try Subject(Self.loop)
        for second: Int64 in [0, 1] { first.observe(Self.event("instance.restarting", second)) }
        let (_, tracks, number) = first.takeResults()
        var settings = try NotifierFile.parse(channels + Self.loop, path: "f")
        settings.rules = settings.rules.filter { $0.name == "loop" }
        let second = Subject(
            IncidentMachine(
                settings, matchers: try settings.rules.map { try RuleMatcher($0, PlainMatching()) }, own: "",
                tracks: tracks.compactMapValues(\.self), silences: [], nextNumber: number))
        second.observe(Self.event("instance.restarting", 2))
        #expect(second.told() == ["loop shop opened a"])
    }

    @Test func `what is over is forgotten after a month, and what is open is not`() throws {
        let subject = try Subject(
            Self.loop.replacing("resolve: {quiet: 60s}", with: "resolve: {events: [instance.healthy]}"))
        for module in ["over", "open"] {
            for second: Int64 in [0, 1, 2] {
                subject.observe(Self.event("instance.restarting", second, module: module))
            }
        }
        subject.observe(Self.event("instance.restarting", 0, module: "once"))
        subject.observe(Self.event("instance.healthy", 3, module: "over"))
        subject.tick(at: Timestamp(seconds: 29 * 86_400))
        #expect(Set(subject.tracks.keys.map(\.group)) == ["over", "open", "once"])
        _ = subject.takeResults()
        subject.tick(at: Timestamp(seconds: 31 * 86_400))
        #expect(subject.tracks.keys.map(\.group) == ["open"])
        let changed = subject.takeResults().changed
        #expect(changed.count == 2 && changed.values.allSatisfy { $0 == nil })
    }

    @Test func `an incident of a rule that is gone is over`() throws {
        let subject = try Subject(Self.loop)
        for second: Int64 in [0, 1, 2] { subject.observe(Self.event("instance.restarting", second)) }
        #expect(subject.incidents.first?.state == .open)
        try subject.apply("rules: []")
        subject.tick(at: Timestamp(seconds: 10))
        #expect(subject.incidents.first?.state == .resolved)
    }
}
