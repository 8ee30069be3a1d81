import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import Scheduler

struct TimeWindowTests {
    private func window(
        _ start: String, _ end: String, days: String? = nil, zone: String? = nil, except: [String]? = nil
    ) throws -> Recurrence {
        try Recurrence(schedule(start, end, days: days, zone: zone, except: except), anchor: .now())
    }

    private func schedule(
        _ start: String?, _ end: String?, days: String? = nil, zone: String? = nil, except: [String]? = nil
    ) -> Schedule {
        var schedule = Schedule(name: ModuleName(unchecked: "office"), action: .window)
        schedule.module = ModuleName(unchecked: "shop")
        (schedule.startTime, schedule.endTime) = (start, end)
        (schedule.days, schedule.timeZone, schedule.except) = (days, zone, except)
        return schedule
    }

    private func edges(_ recurrence: Recurrence, after time: String, _ count: Int) throws -> [String] {
        let start = try #require(Timestamp(rfc3339: time))
        return recurrence.dueTimes(after: start, count: count).map { due in
            "\(due.rfc3339(decimals: 0)) \(recurrence.action(of: schedule("", ""), at: due).rawValue)"
        }
    }

    @Test func `weekdays from eight to six, in a zone, over the change of its clock`() throws {
        let office = try window("08:00", "18:00", days: "mon-fri", zone: "Europe/Berlin")
        #expect(
            try edges(office, after: "2026-10-23T12:00:00Z", 3) == [
                "2026-10-23T16:00:00Z stop", "2026-10-26T07:00:00Z start", "2026-10-26T17:00:00Z stop",
            ])
    }

    @Test func `a window over midnight closes the day after it opens`() throws {
        let night = try window("22:00", "06:00", days: "fri")
        #expect(
            try edges(night, after: "2026-11-26T00:00:00Z", 3) == [
                "2026-11-27T22:00:00Z start", "2026-11-28T06:00:00Z stop", "2026-12-04T22:00:00Z start",
            ])
    }

    @Test func `a day that is excepted has no window, and one that began before it still closes`() throws {
        let office = try window("08:00", "18:00", except: ["2026-12-25/2026-12-26"])
        #expect(
            try edges(office, after: "2026-12-24T12:00:00Z", 2) == [
                "2026-12-24T18:00:00Z stop", "2026-12-27T08:00:00Z start",
            ])
        let night = try window("22:00", "06:00", except: ["2026-12-25"])
        #expect(
            try edges(night, after: "2026-12-24T12:00:00Z", 4) == [
                "2026-12-24T22:00:00Z start", "2026-12-25T06:00:00Z stop", "2026-12-26T22:00:00Z start",
                "2026-12-27T06:00:00Z stop",
            ])
    }

    @Test func `within a window it is open, whenever it is asked`() throws {
        let office = try window("08:00", "18:00", days: "sun,1-5")
        func action(_ time: String) throws -> Schedule.Action {
            office.action(of: schedule("", ""), at: try #require(Timestamp(rfc3339: time)))
        }
        #expect(try action("2026-11-26T07:59:59Z") == .stop)
        #expect(try action("2026-11-26T08:00:00Z") == .start)
        #expect(try action("2026-11-26T17:59:59Z") == .start)
        #expect(try action("2026-11-26T18:00:00Z") == .stop)
        #expect(try action("2026-11-28T12:00:00Z") == .stop)
        #expect(try action("2026-11-29T12:00:00Z") == .start)
    }

    @Test(
        arguments: [
            ("8", "18:00", nil), ("08:00", "24:00", nil), ("08:00", "08:00", nil), ("08:00", nil, nil),
            (nil, "18:00", nil),
            ("08:00", "18:0", nil), ("08:00", "18:00", "someday"), ("-1:00", "18:00", nil),
        ] as [(String?, String?, String?)])
    func `what is no window is refused`(start: String?, end: String?, days: String?) {
        #expect(throws: OrchError.self) { try Recurrence(schedule(start, end, days: days), anchor: .now()) }
    }
}

struct ExceptionDaysTests {
    private func schedule(_ cron: String, _ except: [String], zone: String? = nil) -> Schedule {
        var schedule = Schedule(name: ModuleName(unchecked: "tick"), action: .restart)
        schedule.module = ModuleName(unchecked: "shop")
        (schedule.cron, schedule.except, schedule.timeZone) = (cron, except, zone)
        return schedule
    }

    @Test func `what is due every second passes over whole days, as they are in its zone`() throws {
        let recurrence = try Recurrence(
            schedule("* * * * * *", ["year end"], zone: "Asia/Kathmandu"), anchor: .now(),
            calendars: ["year end": ["2026-12-24/2026-12-31", "2027-01-01"]])
        let last = try #require(Timestamp(rfc3339: "2026-12-23T18:14:59Z"))
        #expect(recurrence.next(after: last)?.rfc3339(decimals: 0) == "2027-01-01T18:15:00Z")
    }

    @Test func `where every due time is excepted there is none`() throws {
        let yearly = try Recurrence(schedule("0 0 1 1 *", ["2000-01-01/2090-12-31"]), anchor: .now())
        #expect(yearly.next(after: Timestamp(seconds: 1_800_000_000))?.rfc3339(decimals: 0) == "2091-01-01T00:00:00Z")
    }

    @Test(arguments: ["christmas", "2026-13-01", "2026-12-25/", "2026-12-26/2026-12-25", "2026-1-1", "1/2/3"])
    func `what is no day is refused`(word: String) {
        #expect(throws: OrchError.self) {
            try Recurrence(schedule("@daily", [word]), anchor: .now(), calendars: ["holidays": []])
        }
    }
}

struct ScheduleFilesTests {
    private let folder = TemporaryFolder()

    private func files(_ texts: [String: String]) throws -> ScheduleFiles {
        for (name, text) in texts { try Files.replace("\(folder.path)/\(name)", with: text) }
        return ScheduleFiles(main: "\(folder.path)/schedules.yaml")
    }

    @Test func `YAML and files of single schedules are read together`() throws {
        let files = try files([
            "schedules.yaml": """
            calendars: {holidays: [2026-12-25]}
            schedules:
              - {name: nightly, cron: '0 3 * * *', action: restart, module: shop, except: [holidays]}
            """,
            "office.scheduler_config.json": #"{"module": "shop", "start_time": "08:00", "end_time": "18:00"}"#,
            "backup.scheduler_config.json": #"{"module": "backup", "every": "1h", "action": "job", "retries": 2}"#,
            "other.json": "no schedule",
        ])
        let read = try files.read()
        #expect(Set(read.schedules.map(\.name.rawValue)) == ["nightly", "office", "backup"])
        #expect(read.schedules.first { $0.name.rawValue == "office" }?.action == .window)
        let before = files.state()
        try Files.replace("\(folder.path)/backup.scheduler_config.json", with: "{}")
        #expect(files.state() != before)
    }

    @Test func `no files mean no schedules`() throws {
        #expect(try files([:]).read().schedules.isEmpty)
    }

    @Test(arguments: [
        ("a.scheduler_config.json", #"{"module": "shop", "start": "08:00"}"#, "did you mean"),
        ("a.scheduler_config.json", #"{"module": "shop", "start_time": "08:00"}"#, "end_time"),
        ("a.scheduler_config.json", "[]", "must be an object"),
        ("schedules.yaml", "schedules: [{name: a, every: 1m}]", "'action' is missing"),
        ("schedules.yaml", "schedules: [{name: a, every: 1m, action: restart, module: b, timeout: 1m}]", "timeout"),
    ]) func `what is wrong is said with its file`(name: String, text: String, words: String) throws {
        let files = try files([name: text])
        let error = #expect(throws: OrchError.self) { try files.read() }
        #expect(error?.message.contains(words) == true && error?.message.contains(folder.path) == true, "\(error!)")
    }
}
