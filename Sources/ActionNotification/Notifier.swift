import Logging
import OrchModel
import OrchModuleFile
import OrchSystem

/// Takes what was seen, has it decided upon, writes down what follows together with how far was read, and only then acts.
actor Notifier {
    private static let longestSleep = TimeSpan.seconds(60)
    /// How soon an act is tried again for which the agent was away, and after how long it would do more harm than good.
    private static let actDelay = TimeSpan.seconds(1)
    private static let actLifetime = TimeSpan.seconds(300)

    private let channels: ChannelPool
    private let store: NotifierStore
    private let platform: Platform
    private let logger: Logger
    private let own: String
    private var settings: NotifierSettings
    private var machine: IncidentMachine
    private var patterns: PatternMemory
    private var titles: TitleWriter
    private var savedSilences: [Silence]
    /// Acts are written down that were not done yet.
    private var actsWait = true
    let changes = Signal()
    /// One after the other decides and writes down, so that what comes later is also told later.
    private let gate = KeyedGate()

    init(
        _ settings: NotifierSettings, matchers: [RuleMatcher], content: NotifierStore.Content, store: NotifierStore,
        platform: Platform, own: String, channels: ChannelPool, logger: Logger
    ) throws(OrchError) {
        self.settings = settings
        self.store = store
        self.platform = platform
        self.own = own
        self.channels = channels
        self.logger = logger
        savedSilences = content.silences
        machine = IncidentMachine(
            settings, matchers: matchers, own: own, tracks: content.tracks, silences: content.silences,
            nextNumber: content.nextNumber)
        patterns = PatternMemory(known: content.patterns, deployed: content.deployedModules)
        titles = try TitleWriter(settings.rules)
    }

    // MARK: What was seen

    /// - Parameter offsets: how far was read with these.
    /// - Throws: when it cannot be written down. What was decided holds in memory alone then: only a new start, which reads it
    ///   again, brings both together. So whoever calls it is not cancelled meanwhile.
    func take(_ seen: [Observation], offsets: [NotifierStore.Place: Int64]) async throws {
        try await inTurn { try await self.takeAlone(seen, offsets) }
    }

    private func inTurn<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await gate.pass("decide", body)
    }

    private func takeAlone(_ seen: [Observation], _ offsets: [NotifierStore.Place: Int64]) async throws {
        for observation in seen {
            var observation = observation
            if case .event("deployment.succeeded") = observation.kind { patterns.noteDeploy(of: observation.module) }
            if case .line(let level, let topic, _) = observation.kind, let shape = observation.shape {
                let isNew = patterns.isNew(shape, of: observation.module)
                observation.kind = .line(level: level, topic: topic, isNewPattern: isNew)
            }
            machine.observe(observation)
        }
        try await conclude(offsets: offsets)
    }

    /// Lets time pass until the task is cancelled.
    ///
    /// - Parameter isCurrent: whether everything was read that there is; while it was not, nobody can say what is missing.
    func run(while isCurrent: @Sendable () -> Bool) async throws {
        while !Task.isCancelled {
            let canTell = isCurrent()
            if canTell { try await inTurn { try await self.tick() } }
            if actsWait { try await inTurn { try await self.act() } }
            let seen = changes.count
            var span = canTell ? Self.longestSleep : .seconds(1)
            if actsWait { span = min(span, Self.actDelay) }
            if canTell, let next = machine.nextTick { span = min(max(next - .now(), .milliseconds(10)), span) }
            await changes.wait(after: seen, atMost: span.duration)
        }
    }

    private func tick() async throws {
        machine.tick(at: .now())
        try await conclude()
    }

    private func conclude(offsets: [NotifierStore.Place: Int64] = [:], history: [NotificationRecord] = []) async throws
    {
        let (effects, tracks, number) = machine.takeResults()
        var next = NotifierStore.Changes()
        next.offsets = offsets
        next.tracks = tracks
        next.nextNumber = number
        next.silences = machine.silences
        next.patterns = patterns.takeAdded()
        next.deployedModules = patterns.deployed
        next.history = history
        let now = Timestamp.now()
        for effect in effects { await add(effect, to: &next, at: now) }
        let isNothing = offsets.isEmpty && tracks.isEmpty && history.isEmpty && next.patterns.isEmpty
        let silencesChanged = machine.silences != savedSilences
        if isNothing, !silencesChanged { return }
        try await store.save(next)
        savedSilences = machine.silences
        await channels.wake(Set(next.messages.map(\.channel)))
        if !next.acts.isEmpty { try await act() }
        if !tracks.isEmpty || silencesChanged { changes.send() }
    }

    private func add(_ effect: IncidentMachine.Effect, to next: inout NotifierStore.Changes, at now: Timestamp) async {
        switch effect {
        case .notify(let incident, let occasion, let channels):
            let lines = occasion == .resolved ? [] : await platform.lastLines(of: incident)
            let suffix = occasion == .reminder ? "\(occasion.rawValue)-\(now.seconds)" : occasion.rawValue
            let notification = Notification(
                id: "\(incident.id).\(suffix)", createdAt: now, occasion: occasion, incident: incident,
                title: titles.title(of: incident), advice: titles.advice(of: incident), lastLines: lines)
            for name in channels {
                guard let channel = settings.channels.first(where: { $0.name == name }) else { continue }
                next.messages.append((name, channel.quiet.due(incident.severity, at: now), notification))
            }
            if occasion == .opened || occasion == .resolved {
                next.history.append(
                    NotificationRecord(
                        at: now, kind: occasion == .opened ? .opened : .resolved, incident: incident.id,
                        text: notification.title))
            }
            logger.notice(
                "\(notification.subject)", metadata: ["incident": "\(incident.id)", "rule": "\(incident.rule)"])
        case .act(let action, let module, let incident):
            next.acts.append(PendingAct(action: action, module: module, incident: incident.id, decidedAt: now))
        case .refused(let action, let incident, let reason):
            next.history.append(
                NotificationRecord(
                    at: now, kind: .refused, incident: incident.id,
                    text: "\(action.action.rawValue) not done: \(reason)"))
            logger.notice(
                "an action is not done", metadata: ["incident": "\(incident.id)", "reason": "\(reason)"])
        }
    }

    /// Does what is written down and was not done yet. After a crash in between it is done again; while the agent is away, it
    /// waits.
    private func act() async throws {
        actsWait = true
        for (id, act) in try await store.acts() {
            let what = "\(act.action.action.rawValue) \(act.module)"
            var outcome = "\(what): begun"
            do throws(OrchError) {
                try await platform.perform(act.action, on: act.module)
            } catch {
                if error.code == .unavailable, .now() - act.decidedAt < Self.actLifetime { return }
                outcome = "\(what) failed: \(error.message)"
            }
            logger.notice("\(outcome)", metadata: ["incident": "\(act.incident)"])
            try await store.removeAct(
                id, NotificationRecord(at: .now(), kind: .acted, incident: act.incident, text: outcome))
        }
        actsWait = false
    }

    // MARK: People

    var incidents: [Incident] { machine.incidents }
    var silences: [Silence] { machine.silences }
    var rules: [Rule] { settings.rules }

    func acknowledge(_ id: String, by who: String) async throws -> Incident {
        try await inTurn { try await self.acknowledgeAlone(id, who) }
    }

    private func acknowledgeAlone(_ id: String, _ who: String) async throws -> Incident {
        let incident = try machine.acknowledge(id, by: who, at: .now())
        try await conclude(
            history: [NotificationRecord(at: .now(), kind: .acknowledged, incident: id, text: "acknowledged by \(who)")]
        )
        return incident
    }

    func silence(_ silence: Silence) async throws {
        try await inTurn { try await self.silenceAlone(silence) }
    }

    private func silenceAlone(_ silence: Silence) async throws {
        machine.add(silence)
        let what =
            "\(silence.rule.isEmpty ? "all rules" : silence.rule) of \(silence.module.isEmpty ? "all modules" : silence.module)"
        try await conclude(
            history: [
                NotificationRecord(at: .now(), kind: .silenced, incident: "", text: "\(what) until \(silence.until)")
            ])
    }

    func removeSilence(_ id: String) async throws {
        try await inTurn { try await self.removeSilenceAlone(id) }
    }

    private func removeSilenceAlone(_ id: String) async throws {
        try machine.removeSilence(id)
        try await conclude()
    }

    /// A message to try a channel with.
    func test(_ channel: String) async throws {
        guard settings.channels.contains(where: { $0.name == channel }) else {
            let hint = nearest(to: channel, in: settings.channels.map(\.name)).map { "; did you mean \($0)?" } ?? ""
            throw OrchError(.notFound, "there is no channel \(channel.quotedOneLine)\(hint)")
        }
        let now = Timestamp.now()
        let incident = Incident(
            id: "test", rule: "test", group: "", module: own, instance: "", severity: .info, openedAt: now, lastAt: now,
            count: 1, text: "somebody tries the channel \(channel)")
        var next = NotifierStore.Changes()
        next.messages = [
            (
                channel, now,
                Notification(
                    id: "test.\(now.nanoseconds)", createdAt: now, occasion: .opened, incident: incident,
                    title: "a test of the channel \(channel)", advice: "nothing: it works", lastLines: [])
            )
        ]
        try await store.save(next)
        await channels.wake([channel])
    }

    /// Other rules and channels hold from now on.
    ///
    /// - Throws: `invalidRequest` for a template that is none; nothing is changed then.
    func use(_ settings: NotifierSettings, matchers: [RuleMatcher]) async throws(OrchError) {
        let titles = try TitleWriter(settings.rules)
        try await channels.use(settings.channels)
        self.titles = titles
        self.settings = settings
        machine = machine.with(settings, matchers: matchers)
        changes.send()
    }

    var channelSettings: [ChannelSettings] { settings.channels }
}
