import OrchModel
import OrchSystem

/// A stretch of the day that opens on some days of the week, as in 08:00 to 18:00 on weekdays. One that closes before it opens
/// lasts over midnight; the days are those on which it opens.
struct TimeWindow: Sendable {
    /// It comes again after a week at most.
    static let period = TimeSpan.seconds(8 * 86_400)
    private static let day = TimeSpan.seconds(86_400)

    private let opening: CronExpression
    private let closing: CronExpression
    private let isOverMidnight: Bool

    /// - Returns: `nil` for a schedule that has none.
    /// - Throws: `invalidRequest` that names what is wrong.
    init?(_ schedule: Schedule) throws(OrchError) {
        guard schedule.startTime != nil || schedule.endTime != nil || schedule.action == .window else { return nil }
        guard let start = schedule.startTime, let end = schedule.endTime, schedule.action == .window else {
            throw OrchError(
                .invalidRequest,
                "a window needs 'start_time', 'end_time' and the action window: schedule \(schedule.name) lacks one")
        }
        guard schedule.cron == nil, schedule.every == nil, schedule.at == nil else {
            throw OrchError(
                .invalidRequest, "schedule \(schedule.name) is a window: it takes no 'cron', 'every' or 'at'")
        }
        let (from, to) = (try Self.time(start, "start_time"), try Self.time(end, "end_time"))
        guard from != to else {
            throw OrchError(.invalidRequest, "the window of \(schedule.name) closes when it opens")
        }
        isOverMidnight = to < from
        var weekdays = CronField()
        for part in (schedule.days ?? "*").split(separator: ",", omittingEmptySubsequences: false) {
            try weekdays.insert(part, .weekday)
        }
        let opens = (0..<7).filter { weekdays.contains($0) || $0 == 0 && weekdays.contains(7) }
        opening = try Self.expression(from, opens)
        closing = try Self.expression(to, isOverMidnight ? opens.map { ($0 + 1) % 7 } : opens)
    }

    private static func expression(_ minutes: Int, _ weekdays: [Int]) throws(OrchError) -> CronExpression {
        try CronExpression("\(minutes % 60) \(minutes / 60) * * \(weekdays.map(String.init).joined(separator: ","))")
    }

    /// Minutes from midnight.
    private static func time(_ text: String, _ key: String) throws(OrchError) -> Int {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]), (0...23).contains(hour),
            (0...59).contains(minute), parts[1].utf8.count == 2
        else { throw OrchError(.invalidRequest, "\(text.quotedOneLine) in '\(key)' is no time of day, as in 08:00") }
        return hour * 60 + minute
    }

    /// When it opens or closes next. A day that is excepted has no window, and one that has begun the day before still closes.
    func next(after time: Timestamp, in zone: TimeZoneRules, except exceptions: ExceptionDays) -> Timestamp? {
        let opens = nextOpening(after: time, zone, exceptions)
        let closes = nextClosing(after: time, zone, exceptions)
        return [opens, closes].compactMap(\.self).min()
    }

    private func nextOpening(after time: Timestamp, _ zone: TimeZoneRules, _ exceptions: ExceptionDays) -> Timestamp? {
        exceptions.first(after: time) { opening.next(after: $0, in: zone) }
    }

    private func nextClosing(after time: Timestamp, _ zone: TimeZoneRules, _ exceptions: ExceptionDays) -> Timestamp? {
        let belongs = isOverMidnight ? Self.day : .zero
        return exceptions.first(
            after: time, belongingTo: { $0 - belongs }, { closing.next(after: $0, in: zone) })
    }

    /// What comes first after a time tells how it is then.
    func isOpen(at time: Timestamp, in zone: TimeZoneRules, except exceptions: ExceptionDays) -> Bool {
        guard let closes = nextClosing(after: time, zone, exceptions) else { return false }
        guard let opens = nextOpening(after: time, zone, exceptions) else { return true }
        return closes < opens
    }
}
