import OrchSystem
import Testing

@testable import OrchModel
@testable import Scheduler

struct CronTests {
    private func due(_ cron: String, after: String, zone: String = "UTC", count: Int = 3) throws -> [String] {
        let expression = try CronExpression(cron)
        let rules = try TimeZoneRules(named: zone)
        var times: [String] = []
        var time = try #require(Timestamp(rfc3339: after))
        for _ in 0..<count {
            guard let next = expression.next(after: time, in: rules) else { break }
            times.append(next.rfc3339(decimals: 0))
            time = next
        }
        return times
    }

    @Test(arguments: [
        ("*/15 * * * *", ["2026-01-31T23:00:00Z", "2026-01-31T23:15:00Z", "2026-01-31T23:30:00Z"]),
        ("30 8 * * mon-fri", ["2026-02-02T08:30:00Z", "2026-02-03T08:30:00Z", "2026-02-04T08:30:00Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"]),
        ("0 12 1,15 * fri", ["2026-02-01T12:00:00Z", "2026-02-06T12:00:00Z", "2026-02-13T12:00:00Z"]),
        ("@hourly", ["2026-01-31T23:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T01:00:00Z"]),
        ("0 6 * * 7", ["2026-02-01T06:00:00Z", "2026-02-08T06:00:00Z", "2026-02-15T06:00:00Z"]),
    ])
    func `due times follow crontab`(cron: String, times: [String]) throws {
        #expect(try due(cron, after: "2026-01-31T22:59:30Z") == times)
    }

    @Test func `a local time that the clock skips is due when it skips`() throws {
        // Berlin goes from 02:00 to 03:00 on 2026-03-29.
        #expect(
            try due("30 2 * * *", after: "2026-03-28T00:00:00Z", zone: "Europe/Berlin") == [
                "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",
            ])
    }

    @Test func `a local time that comes twice is due the first time`() throws {
        // Berlin goes from 03:00 back to 02:00 on 2026-10-25.
        #expect(
            try due("30 2 * * *", after: "2026-10-24T12:00:00Z", zone: "Europe/Berlin", count: 2) == [
                "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z",
            ])
    }

    @Test func `a date that never comes has no due time`() throws {
        #expect(try due("0 0 30 2 *", after: "2026-01-01T00:00:00Z").isEmpty)
    }

    @Test(arguments: [
        "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
        "a * * * *", "1,,2 * * * *",
    ])
    func `what is no expression is refused`(text: String) {
        #expect(throws: OrchError.self) { try CronExpression(text) }
    }

    @Test(arguments: ["../etc/passwd", "/etc/passwd", "Mars/Olympus", "zone.tab"])
    func `what is no time zone is refused`(name: String) {
        #expect(throws: OrchError.self) { try TimeZoneRules(named: name) }
    }
}

struct RecurrenceTests {
    private let start = Timestamp(seconds: 1_000_000)

    private func schedule(cron: String? = nil, every: TimeSpan? = nil, at: Timestamp? = nil) -> Schedule {
        Schedule(
            name: ModuleName(unchecked: "s"), cron: cron, timeZone: nil, every: every, at: at, action: .restart,
            module: ModuleName(unchecked: "shop"), url: nil)
    }

    @Test func `an interval counts from its anchor, whenever it is asked`() throws {
        let recurrence = try Recurrence(schedule(every: .seconds(60)), anchor: start)
        #expect(recurrence.next(after: start) == start + .seconds(60))
        #expect(recurrence.next(after: start + .seconds(60)) == start + .seconds(120))
        #expect(recurrence.next(after: start + .seconds(3601)) == start + .seconds(3660))
    }

    @Test func `one time is due once`() throws {
        let recurrence = try Recurrence(schedule(at: start), anchor: start)
        #expect(recurrence.next(after: start - .seconds(1)) == start)
        #expect(recurrence.next(after: start) == nil)
    }

    @Test func `a schedule needs just one kind of time, and what its action acts on`() {
        #expect(throws: OrchError.self) { try Recurrence(schedule(), anchor: start) }
        #expect(throws: OrchError.self) { try Recurrence(schedule(cron: "@daily", every: .seconds(60)), anchor: start) }
        var call = schedule(every: .seconds(60))
        call.action = .http
        #expect(throws: OrchError.self) { try Recurrence(call, anchor: start) }
    }
}
