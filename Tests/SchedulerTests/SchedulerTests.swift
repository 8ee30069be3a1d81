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

    @Test func `what is due in every hour keeps its pace while the clock is changed`() throws {
        #expect(
            try due("30 * * * *", after: "2026-03-29T00:00:00Z", zone: "Europe/Berlin") == [
                "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z",
            ])
        #expect(
            try due("*/30 * * * *", after: "2026-10-24T23:59:00Z", zone: "Europe/Berlin", count: 5) == [
                "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ])
    }

    /// Lord Howe moves its clock by half an hour, Samoa left a whole day out, Dublin's winter is the exception.
    @Test(arguments: [
        (
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T16:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
        ),
        ("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"]),
        ("0 1 * * *", "Europe/Dublin", "2026-10-24T12:00:00Z", ["2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"]),
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]),
        ("0 0 * * *", "America/Santiago", "2026-04-04T12:00:00Z", ["2026-04-05T04:00:00Z", "2026-04-06T04:00:00Z"]),
    ])
    func `clocks of the world are changed in other ways`(cron: String, zone: String, after: String, times: [String])
        throws
    {
        #expect(try due(cron, after: after, zone: zone, count: 2) == times)
    }

    @Test(arguments: [
        ("0 0 L * *", ["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]),
        ("0 0 L-3 * *", ["2026-01-28T00:00:00Z", "2026-02-25T00:00:00Z", "2026-03-28T00:00:00Z"]),
        // The 15th is a Sunday in February and March, the 1st a Saturday in August.
        ("0 0 15W * *", ["2026-01-15T00:00:00Z", "2026-02-16T00:00:00Z", "2026-03-16T00:00:00Z"]),
        ("0 0 1W 8 *", ["2026-08-03T00:00:00Z", "2027-08-02T00:00:00Z", "2028-08-01T00:00:00Z"]),
        ("0 0 LW * *", ["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-31T00:00:00Z"]),
        ("0 0 31W * *", ["2026-01-30T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-29T00:00:00Z"]),
        ("0 0 * * fri#2", ["2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z"]),
        ("0 0 * * mon#5", ["2026-03-30T00:00:00Z", "2026-06-29T00:00:00Z", "2026-08-31T00:00:00Z"]),
        ("0 0 * * 5L", ["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-27T00:00:00Z"]),
        ("0 0 ? * sunL", ["2026-01-25T00:00:00Z", "2026-02-22T00:00:00Z", "2026-03-29T00:00:00Z"]),
        ("*/20 59 23 31 12 *", ["2026-12-31T23:59:00Z", "2026-12-31T23:59:20Z", "2026-12-31T23:59:40Z"]),
        ("30 0 0 1 1 ?", ["2026-01-01T00:00:30Z", "2027-01-01T00:00:30Z", "2028-01-01T00:00:30Z"]),
    ])
    func `the last, the nearest and the numbered days are found, and seconds`(cron: String, times: [String]) throws {
        #expect(try due(cron, after: "2026-01-01T00:00:00Z") == times)
    }

    @Test func `a date that never comes has no due time`() throws {
        #expect(try due("0 0 30 2 *", after: "2026-01-01T00:00:00Z").isEmpty)
    }

    @Test(arguments: [
        "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
        "a * * * *", "1,,2 * * * *", "* * * * * * *", "60 * * * * *", "* * L-31 * *", "* * 32W * *", "* * * * mon#6",
        "* * * * xL",
        "* * W * *",
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
        var schedule = Schedule(name: ModuleName(unchecked: "s"), action: .restart)
        schedule.module = ModuleName(unchecked: "shop")
        (schedule.cron, schedule.every, schedule.at) = (cron, every, at)
        return schedule
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
