import OrchModel
import OrchSystem

/// Five fields as in crontab(5): minute, hour, day of month, month, day of week; or `@hourly` and its like.
///
/// Fields take `*`, numbers, names (`jan`, `mon`), ranges, lists and steps. Where both days are restricted, either one
/// suffices, as in crontab(5).
struct CronExpression: Sendable, Equatable {
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let restrictsDays: Bool
    private let restrictsWeekdays: Bool

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let shorthands = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
    /// A date such as February 30 never comes; after so many years the search ends.
    private static let horizon = 28

    /// - Throws: `invalidRequest` that names the field.
    init(_ text: String) throws(OrchError) {
        let expanded = Self.shorthands[text.lowercased()] ?? text
        let fields = expanded.split(whereSeparator: \.isWhitespace).map(String.init)
        guard fields.count == 5 else {
            throw OrchError(
                .invalidRequest,
                "\(text.quotedOneLine) is no cron expression: it has five fields, as in '30 8 * * mon-fri'")
        }
        minutes = try Self.parse(fields[0], 0...59, "minute")
        hours = try Self.parse(fields[1], 0...23, "hour")
        days = try Self.parse(fields[2], 1...31, "day of month")
        months = try Self.parse(fields[3], 1...12, "month", names: Self.monthNames, firstName: 1)
        // 7 is Sunday too.
        weekdays = Set(
            try Self.parse(fields[4], 0...7, "day of week", names: Self.weekdayNames, firstName: 0).map { $0 % 7 })
        restrictsDays = !fields[2].hasPrefix("*")
        restrictsWeekdays = !fields[4].hasPrefix("*")
    }

    private static func parse(
        _ field: String, _ range: ClosedRange<Int>, _ name: String, names: [String] = [], firstName: Int = 0
    ) throws(OrchError) -> Set<Int> {
        func fail(_ part: some StringProtocol) -> OrchError {
            OrchError(
                .invalidRequest,
                "\(String(part).quotedOneLine) is no \(name) of a cron expression: use \(range.lowerBound) to \(range.upperBound)"
            )
        }
        func number(_ text: Substring) throws(OrchError) -> Int {
            if let index = names.firstIndex(of: text.lowercased()) { return index + firstName }
            guard let number = Int(text), range.contains(number) else { throw fail(text) }
            return number
        }
        var values: Set<Int> = []
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard pieces.count <= 2, let base = pieces.first, !base.isEmpty else { throw fail(part) }
            let step = pieces.count == 2 ? Int(pieces[1]) : 1
            guard let step, step > 0 else { throw fail(part) }
            var (from, to) = (range.lowerBound, range.upperBound)
            if base != "*" {
                let ends = base.split(separator: "-", omittingEmptySubsequences: false)
                from = try number(ends[0])
                to = ends.count == 2 ? try number(ends[1]) : pieces.count == 2 ? range.upperBound : from
                guard ends.count <= 2, from <= to else { throw fail(part) }
            }
            values.formUnion(stride(from: from, through: to, by: step))
        }
        return values
    }

    /// The first due time after `time`; `nil` when none comes within 28 years.
    ///
    /// A local time that the clock skips is due when it skips; one that comes twice is due the first time.
    func next(after time: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        var civil = CivilTime(Timestamp(seconds: time.seconds + zone.offset(at: time.seconds)))
        civil.second = 0
        civil.nanosecond = 0
        advanceMinute(&civil)
        let lastYear = civil.year + Self.horizon
        while civil.year <= lastYear {
            guard months.contains(civil.month) else {
                startOfNextMonth(&civil)
                continue
            }
            guard matchesDay(civil) else {
                startOfNextDay(&civil)
                continue
            }
            guard hours.contains(civil.hour) else {
                startOfNextHour(&civil)
                continue
            }
            guard minutes.contains(civil.minute) else {
                advanceMinute(&civil)
                continue
            }
            let due = Timestamp(seconds: zone.instant(of: civil))
            // Around a change of the clock the local time may lie before where we began.
            if due > time { return due }
            advanceMinute(&civil)
        }
        return nil
    }

    private func matchesDay(_ civil: CivilTime) -> Bool {
        let weekday = (CivilTime.daysSinceEpoch(year: civil.year, month: civil.month, day: civil.day) + 4) % 7
        let (isDay, isWeekday) = (days.contains(civil.day), weekdays.contains((weekday + 7) % 7))
        return restrictsDays && restrictsWeekdays ? isDay || isWeekday : isDay && isWeekday
    }

    private func advanceMinute(_ civil: inout CivilTime) {
        civil.minute += 1
        if civil.minute == 60 { startOfNextHour(&civil) }
    }

    private func startOfNextHour(_ civil: inout CivilTime) {
        civil.minute = 0
        civil.hour += 1
        if civil.hour == 24 { startOfNextDay(&civil) }
    }

    private func startOfNextDay(_ civil: inout CivilTime) {
        civil.minute = 0
        civil.hour = 0
        civil.day += 1
        if civil.day > CivilTime.days(in: civil.month, of: civil.year) { startOfNextMonth(&civil) }
    }

    private func startOfNextMonth(_ civil: inout CivilTime) {
        civil.minute = 0
        civil.hour = 0
        civil.day = 1
        civil.month += 1
        if civil.month == 13 {
            civil.month = 1
            civil.year += 1
        }
    }
}
