import OrchModel
import OrchSystem

/// What is due, and when. The form of the configuration file and of the API.
struct Schedule: Codable, Sendable, Equatable {
    /// What is done at a due time.
    enum Action: String, Codable, Sendable, CaseIterable { case start, stop, restart, deploy, http }
    /// What becomes of due times that passed while the scheduler did not run, or the schedule still did: none is made up
    /// for, the last one, or all of them in order.
    enum Missed: String, Codable, Sendable, CaseIterable { case skip, once, all }

    var name: ModuleName
    /// Five or six fields of cron (``CronExpression``); or ``every``, or ``at``.
    var cron: String?
    /// The zone that cron is meant in; UTC by default.
    var timeZone: String?
    var every: TimeSpan?
    var at: Timestamp?
    var action: Action
    /// What `start`, `stop`, `restart` and `deploy` act on.
    var module: ModuleName?
    /// What `http` calls, by POST.
    var url: String?
    /// ``Missed/skip`` by default.
    var missed: Missed?
    /// Each act comes later than it is due by a part of it, so that not all do the same at once.
    var jitter: TimeSpan?

    enum CodingKeys: String, CodingKey {
        case name, cron, every, at, action, module, url, missed, jitter
        case timeZone = "time_zone"
    }

    /// By how much the act of a due time comes later, less than ``jitter``. It is the same whenever it is asked.
    func delay(of due: Timestamp) -> TimeSpan {
        guard let jitter, jitter > .zero else { return .zero }
        let hash = QuickHash.hash("\(name) \(due.nanoseconds)".utf8)
        return TimeSpan(nanoseconds: Int64(hash % UInt64(jitter.nanoseconds)))
    }
}

/// A schedule's times, checked and ready to be asked.
enum Recurrence: Sendable {
    case cron(CronExpression, TimeZoneRules)
    /// Counted from an anchor, so that the times stay the same over restarts.
    case every(TimeSpan, anchor: Timestamp)
    case once(Timestamp)

    private static let mostJitter = TimeSpan.seconds(86_400)

    /// - Throws: `invalidRequest` that says what is missing or wrong.
    init(_ schedule: Schedule, anchor: Timestamp) throws(OrchError) {
        switch (schedule.cron, schedule.every, schedule.at) {
        case (let cron?, nil, nil):
            self = .cron(try CronExpression(cron), try TimeZoneRules(named: schedule.timeZone ?? ""))
        case (nil, let every?, nil):
            guard every >= .seconds(1) else {
                throw OrchError(.invalidRequest, "'every' of \(schedule.name) must be at least 1s")
            }
            self = .every(every, anchor: anchor)
        case (nil, nil, let at?): self = .once(at)
        default:
            throw OrchError(.invalidRequest, "schedule \(schedule.name) needs just one of 'cron', 'every' and 'at'")
        }
        if let jitter = schedule.jitter, jitter < .zero || jitter > Self.mostJitter {
            throw OrchError(.invalidRequest, "'jitter' of \(schedule.name) must be 0s to 24h")
        }
        switch schedule.action {
        case .http:
            guard schedule.url?.hasPrefix("http") ?? false else {
                throw OrchError(.invalidRequest, "schedule \(schedule.name) needs a 'url' that begins with http")
            }
        case .start, .stop, .restart, .deploy:
            if schedule.module == nil {
                throw OrchError(
                    .invalidRequest, "schedule \(schedule.name) needs a 'module' to \(schedule.action.rawValue)")
            }
        }
    }

    func dueTimes(after time: Timestamp, count: Int) -> [Timestamp] {
        var times: [Timestamp] = []
        var last = time
        while times.count < count, let next = next(after: last) {
            times.append(next)
            last = next
        }
        return times
    }

    /// The last due time up to `now`, given one that is not after it.
    func last(upTo now: Timestamp, from known: Timestamp) -> Timestamp {
        // Looks back twice as far each time, so that few of the due times between are gone through.
        var span = TimeSpan.seconds(60)
        var last = known
        while now - span > known {
            if let found = next(after: now - span), found <= now {
                last = found
                break
            }
            span = TimeSpan(nanoseconds: span.nanoseconds * 2)
        }
        while let later = next(after: last), later <= now { last = later }
        return last
    }

    /// The first due time after `time`; `nil` when there is none.
    func next(after time: Timestamp) -> Timestamp? {
        switch self {
        case .cron(let expression, let zone): expression.next(after: time, in: zone)
        case .every(let span, let anchor):
            time < anchor
                ? anchor + span
                : Timestamp(
                    nanoseconds: anchor.nanoseconds + ((time - anchor).nanoseconds / span.nanoseconds + 1)
                        * span.nanoseconds)
        case .once(let at): at > time ? at : nil
        }
    }
}
