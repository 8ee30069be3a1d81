import OrchModel
import OrchSystem

/// Five fields as in crontab(5): minute, hour, day of month, month, day of week; or six with the second before them; or
/// `@hourly` and its like.
///
/// Fields take `*`, `?`, numbers, names (`jan`, `mon`), ranges, lists and steps. Days of the month also take `L`, `L-3`, `15W`
/// and `LW`, days of the week `fri#2` and `friL`. Where both kinds of days are restricted, either one suffices.
///
/// Where the clock of a zone is changed, what names its hours keeps to the day: a time that the clock skips is due when it
/// skips, and one that comes twice is due the first time. What is due in every hour keeps its pace instead: in the hour that
/// comes twice it is due in both, and in the one that is skipped not at all (cron(8) of Debian has the same rule).
struct CronExpression: Sendable, Equatable {
    private var seconds = CronField()
    private var minutes = CronField()
    private var hours = CronField()
    private let days: CronDays
    private let isHourly: Bool

    private static let shorthands = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
    /// A date such as February 30 never comes; after so many years the search ends.
    private static let horizon = 28

    /// - Throws: `invalidRequest` that names the field.
    init(_ text: String) throws(OrchError) {
        let expanded = Self.shorthands[text.lowercased()] ?? text
        var fields = expanded.split(whereSeparator: \.isWhitespace).map(String.init)
        guard fields.count == 5 || fields.count == 6 else {
            throw OrchError(
                .invalidRequest,
                "\(text.quotedOneLine) is no cron expression: it has five fields, as in '30 8 * * mon-fri', or six with the second before them"
            )
        }
        if fields.count == 5 { fields.insert("0", at: 0) }
        func parts(_ field: String) -> [Substring] { field.split(separator: ",", omittingEmptySubsequences: false) }
        for part in parts(fields[0]) { try seconds.insert(part, .second) }
        for part in parts(fields[1]) { try minutes.insert(part, .minute) }
        for part in parts(fields[2]) { try hours.insert(part, .hour) }
        days = try CronDays(day: fields[3], month: fields[4], weekday: fields[5])
        isHourly = fields[2].hasPrefix("*")
    }

    /// The first due time after `time`; `nil` when none comes within 28 years.
    func next(after time: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        // Between two changes of the clock the offset is the same, and the search is one among local times.
        var start = time.seconds + 1
        let lastYear = CivilTime(time).year + Self.horizon
        while true {
            let offset = zone.offset(at: start)
            var local = start + offset
            if !isHourly, let last = zone.lastChange(upTo: start) {
                if last.at == start, let skipped = first(from: last.local, lastYear), skipped < local {
                    // The clock skips it just here.
                    return Timestamp(seconds: start)
                }
                // What comes twice was due the first time.
                local = max(local, last.local)
            }
            guard let due = first(from: local, lastYear) else { return nil }
            let candidate = due - offset
            guard let change = zone.nextChange(after: start), candidate >= change else {
                return Timestamp(seconds: candidate)
            }
            start = change
        }
    }

    /// The first local time that is meant, from one on, in seconds as if it were UTC.
    private func first(from local: Int64, _ lastYear: Int) -> Int64? {
        let civil = CivilTime(Timestamp(seconds: local))
        let today = CivilDay(civil)
        guard var day = days.first(from: today, lastYear: lastYear) else { return nil }
        if day == today {
            if let time = timeOfDay(from: civil.hour, civil.minute, civil.second) { return Self.seconds(day) + time }
            guard let later = days.first(from: day.next, lastYear: lastYear) else { return nil }
            day = later
        }
        return timeOfDay(from: 0, 0, 0).map { Self.seconds(day) + $0 }
    }

    private static func seconds(_ day: CivilDay) -> Int64 {
        Int64(CivilTime.daysSinceEpoch(year: day.year, month: day.month, day: day.day)) * 86_400
    }

    /// The first time of the day that is meant, from one on, in seconds from midnight.
    private func timeOfDay(from hour: Int, _ minute: Int, _ second: Int) -> Int64? {
        guard let firstHour = hours.first(from: hour) else { return nil }
        if firstHour == hour {
            if let firstMinute = minutes.first(from: minute) {
                if firstMinute == minute, let firstSecond = seconds.first(from: second) {
                    return Int64(hour * 3600 + minute * 60 + firstSecond)
                }
                let later = firstMinute == minute ? minutes.first(from: minute + 1) : firstMinute
                if let later, let firstSecond = seconds.first(from: 0) {
                    return Int64(hour * 3600 + later * 60 + firstSecond)
                }
            }
            return timeOfDay(from: hour + 1, 0, 0)
        }
        guard let firstMinute = minutes.first(from: 0), let firstSecond = seconds.first(from: 0) else { return nil }
        return Int64(firstHour * 3600 + firstMinute * 60 + firstSecond)
    }
}
