import OrchModel

/// The days that a cron expression means: by their number in the month, and by the day of the week.
struct CronDays: Sendable, Equatable {
    /// A day that depends on how the month lies.
    private enum Special: Sendable, Equatable {
        /// `L`, or `L-3`: so many days before the last one.
        case last(before: Int)
        /// `LW`: the last one from Monday to Friday.
        case lastWorkday
        /// `15W`: the one from Monday to Friday that is nearest to a day, in the same month.
        case workday(near: Int)
        /// `fri#2`: the second Friday.
        case weekday(Int, number: Int)
        /// `friL`, or `5L`: the last Friday.
        case lastWeekday(Int)
    }

    private var days = CronField()
    private var months = CronField()
    private var weekdays = CronField()
    private var specials: [Special] = []
    private var restrictsDays: Bool
    private var restrictsWeekdays: Bool

    /// - Throws: `invalidRequest` that names the field.
    init(day: String, month: String, weekday: String) throws(OrchError) {
        restrictsDays = !day.hasPrefix("*") && !day.hasPrefix("?")
        restrictsWeekdays = !weekday.hasPrefix("*") && !weekday.hasPrefix("?")
        for part in month.split(separator: ",", omittingEmptySubsequences: false) { try months.insert(part, .month) }
        for part in day.split(separator: ",", omittingEmptySubsequences: false) { try insertDay(part) }
        for part in weekday.split(separator: ",", omittingEmptySubsequences: false) { try insertWeekday(part) }
    }

    private mutating func insertDay(_ part: Substring) throws(OrchError) {
        let text = part.uppercased()
        if text == "LW" || text == "WL" {
            specials.append(.lastWorkday)
        } else if text == "L" {
            specials.append(.last(before: 0))
        } else if text.hasPrefix("L-") {
            guard let before = Int(text.dropFirst(2)), (1...30).contains(before) else {
                throw CronField.Kind.day.mistake(part)
            }
            specials.append(.last(before: before))
        } else if text.hasSuffix("W") {
            specials.append(.workday(near: try CronField.Kind.day.number(text.dropLast())))
        } else {
            try days.insert(part, .day)
        }
    }

    private mutating func insertWeekday(_ part: Substring) throws(OrchError) {
        let kind = CronField.Kind.weekday
        let pieces = part.split(separator: "#", omittingEmptySubsequences: false)
        if pieces.count == 2 {
            guard let number = Int(pieces[1]), (1...5).contains(number) else { throw kind.mistake(part) }
            specials.append(.weekday(try kind.number(pieces[0]) % 7, number: number))
        } else if part.uppercased() == "L" {
            // As Quartz has it: the last day of the week.
            weekdays.insert(6)
        } else if part.uppercased().hasSuffix("L") {
            specials.append(.lastWeekday(try kind.number(part.dropLast()) % 7))
        } else {
            var found = CronField()
            try found.insert(part, kind)
            for day in 0...7 where found.contains(day) { weekdays.insert(day % 7) }
        }
    }

    /// The first day that is meant, from one on; `nil` when there is none up to a year.
    func first(from start: CivilDay, lastYear: Int) -> CivilDay? {
        var day = start
        while day.year <= lastYear {
            guard months.contains(day.month) else {
                day = day.startOfNextMonth
                continue
            }
            if contains(day) { return day }
            day = day.next
        }
        return nil
    }

    /// Where both kinds of days are restricted, either one suffices, as in crontab(5).
    private func contains(_ day: CivilDay) -> Bool {
        let isDay = days.contains(day.day) || specials.contains { isMeant($0, day, ofWeek: false) }
        let isWeekday = weekdays.contains(day.weekday) || specials.contains { isMeant($0, day, ofWeek: true) }
        return restrictsDays && restrictsWeekdays ? isDay || isWeekday : isDay && isWeekday
    }

    private func isMeant(_ special: Special, _ day: CivilDay, ofWeek: Bool) -> Bool {
        switch special {
        case .last(let before): !ofWeek && day.day == day.length - before
        case .lastWorkday: !ofWeek && day.day == day.workday(near: day.length)
        case .workday(let near): !ofWeek && near <= day.length && day.day == day.workday(near: near)
        case .weekday(let weekday, let number): ofWeek && day.weekday == weekday && (day.day - 1) / 7 + 1 == number
        case .lastWeekday(let weekday): ofWeek && day.weekday == weekday && day.day + 7 > day.length
        }
    }
}

/// A date of the Gregorian calendar.
struct CivilDay: Sendable, Equatable {
    var year: Int
    var month: Int
    var day: Int
    /// 0 for Sunday.
    var weekday: Int

    init(_ civil: CivilTime) {
        (year, month, day) = (civil.year, civil.month, civil.day)
        let days = CivilTime.daysSinceEpoch(year: year, month: month, day: day)
        // The first day of 1970 was a Thursday.
        weekday = ((days + 4) % 7 + 7) % 7
    }

    /// Days of its month.
    var length: Int { CivilTime.days(in: month, of: year) }

    var next: CivilDay {
        guard day < length else { return startOfNextMonth }
        var next = self
        next.day += 1
        next.weekday = (weekday + 1) % 7
        return next
    }

    var startOfNextMonth: CivilDay {
        var next = self
        next.weekday = (weekday + length - day + 1) % 7
        next.day = 1
        next.month = month % 12 + 1
        if month == 12 { next.year += 1 }
        return next
    }

    /// The day from Monday to Friday that is nearest to one of this month, and in it.
    func workday(near target: Int) -> Int {
        switch ((weekday + target - day) % 7 + 7) % 7 {
        case 6: target > 1 ? target - 1 : target + 2
        case 0: target < length ? target + 1 : target - 2
        default: target
        }
    }
}
