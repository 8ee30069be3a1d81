import OrchModel
import OrchSystem

/// A schedule's times, checked and ready to be asked.
struct Recurrence: Sendable {
    private enum Pattern {
        case cron(CronExpression)
        /// Counted from an anchor, so that the times stay the same over restarts.
        case every(TimeSpan, anchor: Timestamp)
        case once(Timestamp)
        case window(TimeWindow)
    }

    private let pattern: Pattern
    private let exceptions: ExceptionDays
    private let zone: TimeZoneRules

    /// - Parameters:
    ///   - anchor: what intervals are counted from.
    ///   - calendars: days by the names that exceptions may use.
    /// - Throws: `invalidRequest` that says what is missing or wrong.
    init(_ schedule: Schedule, anchor: Timestamp, calendars: [String: [String]] = [:]) throws(OrchError) {
        zone = try TimeZoneRules(named: schedule.timeZone ?? "")
        exceptions = try ExceptionDays(schedule.except ?? [], calendars: calendars, zone: zone)
        pattern = try Self.pattern(of: schedule, anchor: anchor)
        try ScheduleCheck.check(schedule)
    }

    private static func pattern(of schedule: Schedule, anchor: Timestamp) throws(OrchError) -> Pattern {
        if let window = try TimeWindow(schedule) { return .window(window) }
        switch (schedule.cron, schedule.every, schedule.at) {
        case (let cron?, nil, nil): return .cron(try CronExpression(cron))
        case (nil, let every?, nil):
            guard every >= .seconds(1) else {
                throw OrchError(.invalidRequest, "'every' of \(schedule.name) must be at least 1s")
            }
            return .every(every, anchor: anchor)
        case (nil, nil, let at?): return .once(at)
        default:
            throw OrchError(
                .invalidRequest,
                "schedule \(schedule.name) needs just one of 'cron', 'every', 'at', and 'start_time' with 'end_time'")
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
        if case .window(let window) = pattern { return window.next(after: time, in: zone, except: exceptions) }
        return exceptions.first(after: time) { regular(after: $0) }
    }

    /// As if there were no exceptions.
    private func regular(after time: Timestamp) -> Timestamp? {
        switch pattern {
        case .cron(let expression): expression.next(after: time, in: zone)
        case .every(let span, let anchor): Self.step(span, anchor, after: time)
        case .once(let at): at > time ? at : nil
        case .window: nil
        }
    }

    /// - Returns: `nil` behind the end of what a time can hold, in the year 2262.
    private static func step(_ span: TimeSpan, _ anchor: Timestamp, after time: Timestamp) -> Timestamp? {
        let steps = time < anchor ? 1 : (time - anchor).nanoseconds / span.nanoseconds + 1
        let (offset, isTooLong) = steps.multipliedReportingOverflow(by: span.nanoseconds)
        let (due, isTooLate) = anchor.nanoseconds.addingReportingOverflow(offset)
        return isTooLong || isTooLate ? nil : Timestamp(nanoseconds: due)
    }

    /// What a schedule does at one of its due times: a window is started or stopped.
    func action(of schedule: Schedule, at due: Timestamp) -> Schedule.Action {
        guard case .window(let window) = pattern else { return schedule.action }
        return window.isOpen(at: due, in: zone, except: exceptions) ? .start : .stop
    }

    /// From when on due times count for a schedule that is set now. A service should be at once as its window has it.
    func countsSince(_ now: Timestamp) -> Timestamp {
        if case .window = pattern { return now - TimeWindow.period } else { return now }
    }
}
