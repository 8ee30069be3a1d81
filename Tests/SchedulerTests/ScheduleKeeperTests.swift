import Logging
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import Scheduler

struct ScheduleKeeperTests {
    /// Counts, and holds an act until it is let go.
    private actor Acts: ScheduleAction {
        private(set) var count = 0
        private var isHeld: Bool
        private var waiting: [CheckedContinuation<Void, Never>] = []

        init(holding: Bool = false) { isHeld = holding }

        func perform(_ schedule: Schedule, _ act: ScheduledAct) async throws {
            count += 1
            if isHeld { await withCheckedContinuation { waiting.append($0) } }
        }

        func letGo() {
            isHeld = false
            for act in waiting { act.resume() }
            waiting = []
        }
    }

    private let folder = TemporaryFolder()
    private let name = ModuleName(unchecked: "tick")

    private func schedule(_ missed: Schedule.Missed?, every: TimeSpan = .seconds(60)) -> Schedule {
        var schedule = Schedule(name: name, action: .restart)
        schedule.module = ModuleName(unchecked: "shop")
        (schedule.every, schedule.missed) = (every, missed)
        return schedule
    }

    private func keeper(_ acts: Acts = Acts()) throws -> ScheduleKeeper {
        ScheduleKeeper(
            store: try ScheduleStore(path: "\(folder.path)/schedules.sqlite"), action: acts,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Asks again until it is so; the time limit of the test ends it.
    private func eventually(_ condition: () async throws -> Bool) async throws {
        while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test(.timeLimit(.minutes(5)), arguments: Schedule.Missed.allCases)
    func `due times that were missed are left out, made up for once, or all`(missed: Schedule.Missed) async throws {
        let now = Timestamp.now()
        let start = now - .seconds(36_300)
        try await keeper().put([schedule(missed, every: .seconds(3600))], at: start)
        let keeper = try keeper()
        try await keeper.load(configured: ScheduleConfiguration(), at: now)
        let run = Task { await keeper.run() }
        let all = (1...10).map { start + .seconds(3600 * $0) }
        let expected =
            switch missed {
            case .skip: [Timestamp]()
            case .once: [all[9]]
            case .all: all
            }
        try await eventually {
            let state = try await keeper.state(of: name)
            return state.next == start + .seconds(39_600) && state.lastRun?.outcome == (expected.isEmpty ? nil : "done")
        }
        #expect(try await keeper.runs(of: name, limit: 100).reversed().map(\.due) == expected)
        run.cancel()
        await run.value
    }

    @Test(.timeLimit(.minutes(5))) func `a due time is acted on once at most, whatever is started anew`() async throws {
        let now = Timestamp.now()
        let start = now - .seconds(65)
        let first = try ScheduleStore(path: "\(folder.path)/schedules.sqlite")
        try await keeper().put([schedule(.all)], at: start)
        let run = ScheduleRun(due: start + .seconds(60), beganAt: now)
        #expect(try await first.begin([(name, run)]) == [name])
        #expect(try await first.begin([(name, run)]).isEmpty)

        let acts = Acts()
        let keeper = try keeper(acts)
        try await keeper.load(configured: ScheduleConfiguration(), at: now)
        let state = try await keeper.state(of: name)
        #expect(state.next == start + .seconds(120))
        #expect(state.lastRun?.outcome?.hasPrefix("interrupted") == true)
        #expect(await acts.count == 0)
    }

    @Test(.timeLimit(.minutes(5))) func `a schedule does not run beside itself, and is taken away while it runs`()
        async throws
    {
        let acts = Acts(holding: true)
        let keeper = try keeper(acts)
        try await keeper.put([schedule(.skip)], at: .now())
        let byHand = Task { try await keeper.runNow(name, at: .now()) }
        try await eventually { await acts.count == 1 }
        #expect(try await keeper.state(of: name).isRunning)
        await #expect(throws: OrchError.self) { try await keeper.runNow(name, at: .now()) }
        try await keeper.remove(name)
        await acts.letGo()
        try await byHand.value
        #expect(await keeper.states().isEmpty)
        #expect(await acts.count == 1)
    }

    @Test func `what is paused is not due, and misses nothing when it goes on`() async throws {
        let start = Timestamp.now()
        let keeper = try keeper()
        try await keeper.put([schedule(.all)], at: start)
        try await keeper.setPaused(true, name, at: start)
        #expect(try await keeper.state(of: name).next == nil)
        try await keeper.setPaused(false, name, at: start + .seconds(300))
        #expect(try await keeper.state(of: name).next == start + .seconds(360))
    }

    @Test func `what the configuration file no longer has is taken away, and what people set is kept`() async throws {
        let start = Timestamp.now()
        var own = schedule(.skip)
        own.name = ModuleName(unchecked: "own")
        let keeper = try keeper()
        try await keeper.load(configured: ScheduleConfiguration(schedules: [schedule(.skip)]), at: start)
        try await keeper.put([own], at: start)
        // What stands in the file is changed there.
        await #expect(throws: OrchError.self) { try await keeper.put([schedule(.all)], at: start) }
        await #expect(throws: OrchError.self) { try await keeper.remove(name) }
        let later = try self.keeper()
        try await later.load(configured: ScheduleConfiguration(), at: start)
        #expect(await later.states().map(\.schedule.name) == [own.name])
    }

    private func recurrence(_ text: String) throws -> Recurrence {
        var schedule = schedule(.skip)
        (schedule.every, schedule.cron) = (nil, text)
        return try Recurrence(schedule, anchor: Timestamp(seconds: 0))
    }

    @Test func `the last due time is found without going through all of them`() throws {
        let now = try #require(Timestamp(rfc3339: "2026-11-26T10:00:00Z"))
        let known = try #require(Timestamp(rfc3339: "2016-01-01T00:00:00Z"))
        let cron = try recurrence("0 0 3 * *")
        #expect(cron.last(upTo: now, from: known).rfc3339(decimals: 0) == "2026-11-03T00:00:00Z")
        let often = try recurrence("* * * * * *")
        #expect(often.last(upTo: now, from: known) == now)
        #expect(cron.last(upTo: known, from: known) == known)
    }

    /// Holds acts of a job until each is let go, and says which gave way.
    private actor Jobs: ScheduleAction {
        private(set) var begun: [ScheduledAct] = []
        private var waiting: [Timestamp: CheckedContinuation<Void, Never>] = [:]

        func perform(_ schedule: Schedule, _ act: ScheduledAct) async throws {
            begun.append(act)
            for due in act.replaced { letGo(due) }
            await withCheckedContinuation { waiting[act.due] = $0 }
        }

        func letGo(_ due: Timestamp) { waiting.removeValue(forKey: due)?.resume() }
    }

    private func keeper(_ jobs: Jobs) throws -> ScheduleKeeper {
        ScheduleKeeper(
            store: try ScheduleStore(path: "\(folder.path)/schedules.sqlite"), action: jobs,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func job(_ concurrency: Schedule.Concurrency) -> Schedule {
        var job = schedule(.skip, every: .seconds(1))
        (job.action, job.concurrency) = (.job, concurrency)
        return job
    }

    @Test(.timeLimit(.minutes(5)), arguments: Schedule.Concurrency.allCases)
    func `a job that is due while it runs runs beside itself, waits, or gives way`(concurrency: Schedule.Concurrency)
        async throws
    {
        let jobs = Jobs()
        let keeper = try keeper(jobs)
        try await keeper.put([job(concurrency)], at: .now())
        let run = Task { await keeper.run() }
        switch concurrency {
        case .forbid:
            try await eventually { await jobs.begun.count == 1 }
            // Nothing is planned while it runs.
            #expect(try await keeper.state(of: name).next == nil)
            await jobs.letGo(try #require(await jobs.begun.first).due)
            try await eventually { await jobs.begun.count == 2 }
        case .allow:
            try await eventually { await jobs.begun.count == 3 }
            #expect(await jobs.begun.allSatisfy(\.replaced.isEmpty))
        case .replace:
            try await eventually { await jobs.begun.count == 3 }
            let begun = await jobs.begun
            #expect(begun[1].replaced == [begun[0].due])
            #expect(begun[2].replaced == [begun[1].due])
        }
        try await keeper.setPaused(true, name, at: .now())
        for act in await jobs.begun { await jobs.letGo(act.due) }
        try await eventually { try await !keeper.state(of: name).isRunning }
        #expect(try await keeper.runs(of: name, limit: 10).allSatisfy { $0.outcome == "done" })
        run.cancel()
        await run.value
    }

    @Test(.timeLimit(.minutes(5)))
    func `a job that was begun is waited for by the next scheduler, and not begun again`()
        async throws
    {
        let now = Timestamp.now()
        var daily = job(.forbid)
        daily.every = .seconds(86_400)
        try await keeper(Jobs()).put([daily], at: now)
        let store = try ScheduleStore(path: "\(folder.path)/schedules.sqlite")
        let begun = ScheduleRun(due: now, beganAt: now)
        _ = try await store.begin([(name, begun)])

        let jobs = Jobs()
        let keeper = try keeper(jobs)
        try await keeper.load(configured: ScheduleConfiguration(), at: now)
        let run = Task { await keeper.run() }
        try await eventually { await jobs.begun.count == 1 }
        let act = try #require(await jobs.begun.first)
        #expect(act.isResumed && act.due == now)
        await jobs.letGo(now)
        try await eventually { try await keeper.state(of: name).lastRun?.outcome == "done" }
        run.cancel()
        await run.value
    }

    @Test func `what was right when it was set and no longer is says so, and the others go on`() async throws {
        let now = Timestamp.now()
        var calendared = schedule(.skip)
        calendared.except = ["holidays"]
        var other = schedule(.skip)
        other.name = ModuleName(unchecked: "other")
        let keeper = try keeper()
        try await keeper.configure(
            ScheduleConfiguration(schedules: [], calendars: ["holidays": ["2026-12-25"]]), at: now)
        try await keeper.put([calendared, other], at: now)
        let later = try self.keeper()
        try await later.load(configured: ScheduleConfiguration(), at: now)
        #expect(try await later.state(of: name).problem?.contains("no calendar") == true)
        #expect(try await later.state(of: name).next == nil)
        #expect(try await later.state(of: other.name).next != nil)
        try await later.configure(ScheduleConfiguration(schedules: [], calendars: ["holidays": []]), at: now)
        #expect(try await later.state(of: name).problem == nil)
        #expect(try await later.state(of: name).next != nil)
    }

    @Test func `a wrong configuration changes nothing`() async throws {
        let now = Timestamp.now()
        let keeper = try keeper()
        try await keeper.configure(ScheduleConfiguration(schedules: [schedule(.skip)]), at: now)
        var wrong = schedule(.skip)
        (wrong.name, wrong.every) = (ModuleName(unchecked: "wrong"), nil)
        await #expect(throws: OrchError.self) {
            try await keeper.configure(ScheduleConfiguration(schedules: [wrong]), at: now)
        }
        await #expect(throws: OrchError.self) { try await keeper.put([schedule(.all), wrong], at: now) }
        #expect(await keeper.states().map(\.schedule) == [schedule(.skip)])
    }

    @Test func `what never comes is not taken, but may be over in a file`() async throws {
        let now = Timestamp.now()
        let keeper = try keeper()
        var (past, february) = (schedule(.skip), schedule(.skip))
        (past.every, past.at) = (nil, now - .seconds(1))
        (february.every, february.cron) = (nil, "0 0 30 2 *")
        for (schedule, words) in [(past, "its time has passed"), (february, "no such day")] {
            do {
                try await keeper.put([schedule], at: now)
                Issue.record("\(schedule) was taken")
            } catch {
                #expect("\(error)".contains(words))
            }
        }
        try await keeper.configure(ScheduleConfiguration(schedules: [past]), at: now)
        #expect(await keeper.states().map(\.next) == [nil])
    }

    @Test(arguments: ["http://127.0.0.1:99999/", "httpx://a/", "http://", "http:/a"])
    func `what is no address is not taken`(url: String) {
        var call = Schedule(name: name, action: .http)
        (call.every, call.url) = (.seconds(60), url)
        #expect(throws: OrchError.self) { try Recurrence(call, anchor: .now()) }
        call.url = "http://127.0.0.1:65535/"
        #expect(throws: Never.self) { try Recurrence(call, anchor: .now()) }
    }

    @Test func `due times end where times do`() throws {
        let now = Timestamp.now()
        let rare = try Recurrence(schedule(.skip, every: .seconds(9000 * 86_400)), anchor: now)
        #expect((1..<10).contains(rare.dueTimes(after: now, count: 100).count))
        var excepted = schedule(.skip)
        (excepted.every, excepted.cron) = (nil, "0 0 29 2 *")
        excepted.except = ["2026-01-01/2125-12-31", "2126-01-01/2225-12-31", "2225-01-01/2262-04-11"]
        #expect(try Recurrence(excepted, anchor: now).dueTimes(after: now, count: 3).count <= 1)
    }

    @Test func `jitter is a part of its span, the same each time, and differs`() {
        var late = schedule(.skip)
        late.jitter = .seconds(10)
        let dues = (0..<200).map { Timestamp(seconds: $0 * 60) }
        let delays = dues.map(late.delay)
        #expect(delays == dues.map(late.delay))
        #expect(delays.allSatisfy { .zero <= $0 && $0 < .seconds(10) })
        #expect(delays.min()! < .seconds(1) && delays.max()! > .seconds(9))
    }
}
