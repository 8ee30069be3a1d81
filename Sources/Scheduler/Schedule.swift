import OrchModel
import OrchSystem

/// What is due, and when. The form of the configuration file and of the API.
struct Schedule: Codable, Sendable, Equatable {
    /// What is done at a due time.
    enum Action: String, Codable, Sendable, CaseIterable { case start, stop, restart, deploy, http }

    var name: ModuleName
    /// Five fields of cron; or ``every``, or ``at``.
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

    enum CodingKeys: String, CodingKey {
        case name, cron, every, at, action, module, url
        case timeZone = "time_zone"
    }
}

/// A schedule's times, checked and ready to be asked.
enum Recurrence: Sendable {
    case cron(CronExpression, TimeZoneRules)
    /// Counted from an anchor, so that the times stay the same over restarts.
    case every(TimeSpan, anchor: Timestamp)
    case once(Timestamp)

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
