import OrchModel

/// Decides what is an incident, who is told, and what is done. Pure: time comes in with what was seen, and what follows goes
/// out as effects.
struct IncidentMachine: Sendable {
    /// What is known of one rule and one group.
    struct Track: Codable, Sendable, Equatable {
        /// When something matched, within the rule's window, the oldest first.
        var matches: [Timestamp] = []
        var incident: Incident?
        /// When something matched last, for a rule about absence.
        var lastSeen: Timestamp?
        /// When the rule acted, within its window.
        var actions: [Timestamp] = []
    }

    struct Key: Hashable, Sendable {
        var rule: String
        var group: String
    }

    enum Effect: Sendable, Equatable {
        case notify(Incident, Occasion, channels: [String])
        case act(Rule.Action, on: String, Incident)
        /// An action that would go beyond its bounds, with the reason.
        case refused(Rule.Action, Incident, reason: String)
    }

    private static let longestText = 1000

    private(set) var tracks: [Key: Track]
    private(set) var silences: [Silence]
    private let matchers: [RuleMatcher]
    private let channels: [String]
    private let fallback: [String]
    /// The module that this is, which it never acts on.
    private let own: String
    private var nextNumber: Int64
    private var changed: Set<Key> = []
    private var effects: [Effect] = []

    init(
        _ settings: NotifierSettings, matchers: [RuleMatcher], own: String, tracks: [Key: Track], silences: [Silence],
        nextNumber: Int64
    ) {
        self.matchers = matchers
        channels = settings.channels.map(\.name)
        fallback = settings.notify.isEmpty ? channels : settings.notify
        self.own = own
        self.tracks = tracks
        self.silences = silences
        self.nextNumber = nextNumber
    }

    /// What has come of everything since the last call: effects in order, and tracks to be written down, or forgotten where
    /// there is none.
    mutating func takeResults() -> (effects: [Effect], changed: [Key: Track?], nextNumber: Int64) {
        defer { (effects, changed) = ([], []) }
        return (effects, Dictionary(uniqueKeysWithValues: changed.map { ($0, tracks[$0]) }), nextNumber)
    }

    // MARK: What was seen

    mutating func observe(_ seen: Observation) {
        for matcher in matchers {
            if matcher.matches(seen) {
                matched(matcher, seen)
            } else if matcher.resolves(seen) {
                let group = matcher.group(of: seen)
                // An instance that is well says so of its module, too.
                resolve(Key(rule: matcher.rule.name, group: group), matcher.rule, at: seen.at)
            }
        }
    }

    private mutating func matched(_ matcher: RuleMatcher, _ seen: Observation) {
        let rule = matcher.rule
        let key = Key(rule: rule.name, group: matcher.group(of: seen))
        var track = tracks[key] ?? Track()
        changed.insert(key)
        track.lastSeen = max(track.lastSeen ?? seen.at, seen.at)
        if rule.threshold.absence > .zero {
            tracks[key] = track
            // What was missing is there again.
            resolve(key, rule, at: seen.at)
            let whole = Key(rule: rule.name, group: "")
            if key != whole, tracks[whole]?.lastSeen != nil {
                // The first group that is seen takes over from the rule as a whole.
                resolve(whole, rule, at: seen.at)
                tracks[whole]?.lastSeen = nil
                changed.insert(whole)
            }
            return
        }
        if var incident = track.incident, incident.state == .open {
            incident.count += 1
            incident.lastAt = max(incident.lastAt, seen.at)
            incident.text = Self.shortened(seen.text)
            track.incident = incident
            tracks[key] = track
            return
        }
        track.matches.append(seen.at)
        track.matches.removeAll { $0 < seen.at - rule.threshold.within }
        let surplus = track.matches.count - rule.threshold.count
        if surplus > 0 { track.matches.removeFirst(surplus) }
        tracks[key] = track
        guard track.matches.count >= rule.threshold.count else { return }
        open(
            key, rule, module: seen.module, instance: seen.instance, text: seen.text, count: track.matches.count,
            at: seen.at)
    }

    /// A line can be as long as a broker lets it be; nobody reads that on a phone.
    private static func shortened(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(longestText)))
    }

    private mutating func open(
        _ key: Key, _ rule: Rule, module: String, instance: String, text: String, count: Int, at now: Timestamp
    ) {
        var incident = Incident(
            id: "i-\(nextNumber)", rule: rule.name, group: key.group, module: module, instance: instance,
            severity: rule.severity, openedAt: now, lastAt: now, count: count, text: Self.shortened(text))
        nextNumber += 1
        incident.isSilenced = isSilenced(incident, at: now)
        tracks[key, default: Track()].incident = incident
        tracks[key]?.matches = []
        changed.insert(key)
        tell(incident, .opened, rule.notify)
        if rule.act.action != .none { act(key, rule, incident, at: now) }
    }

    private mutating func resolve(_ key: Key, _ rule: Rule, at now: Timestamp) {
        guard var incident = tracks[key]?.incident, incident.state == .open else { return }
        incident.state = .resolved
        incident.resolvedAt = now
        tracks[key]?.incident = incident
        tracks[key]?.matches = []
        changed.insert(key)
        // Whoever was told that it began is told that it is over, and whoever was told later.
        let channels = Self.merged(named(rule.notify), incident.escalatedAt == nil ? [] : rule.escalate.notify)
        if !incident.isSilenced { effects.append(.notify(incident, .resolved, channels: channels)) }
    }

    private func isSilenced(_ incident: Incident, at now: Timestamp) -> Bool {
        silences.contains { $0.covers(incident, at: now) }
    }

    private mutating func tell(_ incident: Incident, _ occasion: Occasion, _ named: [String]) {
        guard !incident.isSilenced else { return }
        effects.append(.notify(incident, occasion, channels: self.named(named)))
    }

    private func named(_ channels: [String]) -> [String] { channels.isEmpty ? fallback : channels }

    private static func merged(_ first: [String], _ second: [String]) -> [String] {
        first + second.filter { !first.contains($0) }
    }

    // MARK: What is done

    private mutating func act(_ key: Key, _ rule: Rule, _ incident: Incident, at now: Timestamp) {
        let action = rule.act
        let target = action.module.isEmpty ? incident.module : action.module
        var track = tracks[key] ?? Track()
        track.actions.removeAll { $0 < now - max(action.within, action.cooldown) }
        let recent = track.actions.filter { $0 >= now - action.within }
        let refusal: String? =
            if target == own {
                "it never acts on itself"
            } else if target.isEmpty {
                "no module is concerned"
            } else if let last = track.actions.last, now - last < action.cooldown {
                "the last time was \(now - last) ago, and the cool-down is \(action.cooldown)"
            } else if recent.count >= action.most {
                "it has acted \(recent.count) times within \(action.within)"
            } else if action.dryRun {
                "this is a dry run"
            } else {
                nil
            }
        if let refusal {
            effects.append(.refused(action, incident, reason: refusal))
        } else {
            track.actions.append(now)
            effects.append(.act(action, on: target, incident))
        }
        tracks[key] = track
    }

    // MARK: Time

    /// What time alone brings about: ends, absences, reminders, escalations.
    mutating func tick(at now: Timestamp) {
        silences.removeAll { $0.until <= now }
        forgetOld(at: now)
        for matcher in matchers {
            let rule = matcher.rule
            if rule.threshold.absence > .zero { watchAbsence(rule, at: now) }
            for (key, track) in tracks where key.rule == rule.name {
                guard let incident = track.incident, incident.state == .open else { continue }
                tick(key, rule, incident, at: now)
            }
        }
    }

    /// How long what is over is shown, and of how many groups at most.
    private static let retention = TimeSpan.seconds(30 * 86_400)
    private static let mostTracks = 5000

    /// Instances come and go, and so do rules: what they left behind does not stay for ever.
    private mutating func forgetOld(at now: Timestamp) {
        let names = Set(matchers.map(\.rule.name))
        var settled: [(key: Key, last: Timestamp)] = []
        for (key, track) in tracks {
            if !names.contains(key.rule), var incident = track.incident, incident.state == .open {
                // Nothing can tell of its end any more.
                (incident.state, incident.resolvedAt) = (.resolved, now)
                tracks[key]?.incident = incident
                changed.insert(key)
            }
            guard track.incident?.state != .open else { continue }
            let isWatched = matchers.contains { $0.rule.name == key.rule && $0.rule.threshold.absence > .zero }
            if !isWatched {
                settled.append(
                    (
                        key,
                        max(
                            track.lastSeen ?? Timestamp(seconds: 0), track.incident?.resolvedAt ?? Timestamp(seconds: 0)
                        )
                    ))
            }
        }
        var surplus = tracks.count - Self.mostTracks
        for (key, last) in settled.sorted(by: { $0.last < $1.last }) {
            guard surplus > 0 || now - last > Self.retention else { break }
            surplus -= 1
            tracks[key] = nil
            changed.insert(key)
        }
    }

    private mutating func tick(_ key: Key, _ rule: Rule, _ incident: Incident, at now: Timestamp) {
        if rule.resolve.quiet > .zero, rule.threshold.absence == .zero, now - incident.lastAt >= rule.resolve.quiet {
            return resolve(key, rule, at: now)
        }
        guard incident.acknowledgedAt == nil, !isSilenced(incident, at: now) else { return }
        var incident = incident
        if incident.isSilenced {
            // The silence is over, and it still is wrong.
            incident.isSilenced = false
            tell(incident, .opened, rule.notify)
        }
        if rule.escalate.after > .zero, incident.escalatedAt == nil, now - incident.openedAt >= rule.escalate.after {
            incident.escalatedAt = now
            tell(incident, .escalated, rule.escalate.notify)
        }
        if rule.remind > .zero, now - (incident.remindedAt ?? incident.openedAt) >= rule.remind {
            incident.remindedAt = now
            tell(incident, .reminder, rule.notify)
        }
        if incident != tracks[key]?.incident {
            tracks[key]?.incident = incident
            changed.insert(key)
        }
    }

    /// A rule about absence watches from its first tick on, as a whole until it has seen its groups.
    private mutating func watchAbsence(_ rule: Rule, at now: Timestamp) {
        let keys = tracks.keys.filter { $0.rule == rule.name }
        if keys.isEmpty {
            let key = Key(rule: rule.name, group: "")
            tracks[key] = Track(lastSeen: now)
            changed.insert(key)
            return
        }
        for key in keys {
            guard let track = tracks[key], let seen = track.lastSeen, track.incident?.state != .open,
                now - seen >= rule.threshold.absence
            else { continue }
            open(
                key, rule, module: rule.groupBy == .module ? key.group : "", instance: "",
                text: "nothing was seen for \(now - seen)", count: 0, at: now)
        }
    }

    /// When ``tick(at:)`` has something to do next; `nil` for never.
    var nextTick: Timestamp? {
        let rules = Dictionary(matchers.map { ($0.rule.name, $0.rule) }) { first, _ in first }
        var times = silences.map(\.until)
        for (key, track) in tracks {
            guard let rule = rules[key.rule] else { continue }
            if rule.threshold.absence > .zero, let seen = track.lastSeen, track.incident?.state != .open {
                times.append(seen + rule.threshold.absence)
            }
            guard let incident = track.incident, incident.state == .open else { continue }
            if rule.resolve.quiet > .zero, rule.threshold.absence == .zero {
                times.append(incident.lastAt + rule.resolve.quiet)
            }
            // A silence counts until a tick has seen its end.
            guard incident.acknowledgedAt == nil, !isSilenced(incident, at: Timestamp(seconds: 0)) else { continue }
            if rule.escalate.after > .zero, incident.escalatedAt == nil {
                times.append(incident.openedAt + rule.escalate.after)
            }
            if rule.remind > .zero { times.append((incident.remindedAt ?? incident.openedAt) + rule.remind) }
        }
        return times.min()
    }

    // MARK: People

    var incidents: [Incident] { tracks.values.compactMap(\.incident).sorted { $0.openedAt > $1.openedAt } }

    /// - Throws: `notFound`, `conflict` for one that is over.
    mutating func acknowledge(_ id: String, by who: String, at now: Timestamp) throws(OrchError) -> Incident {
        guard let (key, track) = tracks.first(where: { $0.value.incident?.id == id }), var incident = track.incident
        else {
            throw OrchError(.notFound, "there is no incident \(id.quotedOneLine): 'orch notify ls' lists them")
        }
        guard incident.state == .open else { throw OrchError(.conflict, "incident \(id) is over already") }
        if incident.acknowledgedAt == nil {
            incident.acknowledgedAt = now
            incident.acknowledgedBy = who
            tracks[key]?.incident = incident
            changed.insert(key)
        }
        return incident
    }

    mutating func add(_ silence: Silence) { silences.append(silence) }

    mutating func removeSilence(_ id: String) throws(OrchError) {
        guard silences.contains(where: { $0.id == id }) else {
            throw OrchError(.notFound, "there is no silence \(id.quotedOneLine): 'orch notify silence' lists them")
        }
        silences.removeAll { $0.id == id }
    }

    /// The rules of a changed file, with what was known before.
    func with(_ settings: NotifierSettings, matchers: [RuleMatcher]) -> IncidentMachine {
        IncidentMachine(
            settings, matchers: matchers, own: own, tracks: tracks, silences: silences, nextNumber: nextNumber)
    }
}
