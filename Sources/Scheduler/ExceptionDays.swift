import OrchModel
import OrchSystem

/// Days on which nothing is due, as they are in a time zone.
struct ExceptionDays: Sendable {
    /// In days since 1970.
    private let ranges: [ClosedRange<Int64>]
    private let zone: TimeZoneRules

    private static let longest: Int64 = 366 * 100

    /// - Parameters:
    ///   - words: dates, ranges of dates with a slash, and names of calendars.
    ///   - calendars: each of dates and ranges.
    /// - Throws: `invalidRequest` for what is none of these.
    init(_ words: [String], calendars: [String: [String]], zone: TimeZoneRules) throws(OrchError) {
        self.zone = zone
        var ranges: [ClosedRange<Int64>] = []
        for word in words {
            if let calendar = calendars[word] {
                for date in calendar { ranges.append(try Self.range(date)) }
            } else if word.first?.isNumber == true {
                ranges.append(try Self.range(word))
            } else {
                let known = calendars.keys.sorted().joined(separator: ", ")
                throw OrchError(
                    .invalidRequest,
                    "there is no calendar \(word.quotedOneLine): "
                        + (known.isEmpty ? "the configuration has none" : "the configuration has \(known)"))
            }
        }
        self.ranges = ranges
    }

    private static func range(_ text: String) throws(OrchError) -> ClosedRange<Int64> {
        let days = text.split(separator: "/", omittingEmptySubsequences: false).compactMap { date in
            Timestamp(rfc3339: "\(date)T00:00:00Z").map { $0.seconds / 86_400 }
        }
        guard let first = days.first, let last = days.last, days.count <= 2, first <= last, last - first <= longest,
            days.count == text.split(separator: "/", omittingEmptySubsequences: false).count
        else {
            throw OrchError(
                .invalidRequest,
                "\(text.quotedOneLine) is no day, as in 2026-12-25, nor a range of them, as in 2026-12-24/2026-12-31")
        }
        return first...last
    }

    private func contains(_ time: Timestamp) -> Bool {
        if ranges.isEmpty { return false }
        let day = (time.seconds + zone.offset(at: time.seconds)).floorDivided(by: 86_400)
        return ranges.contains { $0.contains(day) }
    }

    /// The first due time after `time` that is on no such day.
    ///
    /// - Parameters:
    ///   - day: a time of the day that a due time belongs to.
    ///   - next: the due times as if there were no exceptions.
    func first(
        after time: Timestamp, belongingTo day: (Timestamp) -> Timestamp = { $0 }, _ next: (Timestamp) -> Timestamp?
    ) -> Timestamp? {
        var last = time
        // The last time there is comes again and again.
        while let due = next(last), due > last {
            guard contains(day(due)) else { return due }
            last = due
            // What is due often is passed over by the hour, and not one by one: days end at full quarters everywhere.
            let quarter = Timestamp(seconds: (due.seconds / 900 + 1) * 900)
            if contains(day(quarter)), let later = next(due), later < quarter {
                last = quarter - TimeSpan(nanoseconds: 1)
            }
        }
        return nil
    }
}
