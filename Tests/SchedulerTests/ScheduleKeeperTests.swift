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

        func perform(_ schedule: Schedule) async throws {
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
        Schedule(
            name: name, cron: nil, timeZone: nil, every: every, at: nil, action: .restart,
            module: ModuleName(unchecked: "shop"), url: nil, missed: missed, jitter: nil)
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

    @Test(.timeLimit(.minutes(1)), arguments: Schedule.Missed.allCases)
    func `due times that were missed are left out, made up for once, or all`(missed: Schedule.Missed) async throws {
        let now = Timestamp.now()
        let start = now - .seconds(605)
        try await keeper().put(schedule(missed), at: start)
        let keeper = try keeper()
        try await keeper.load(configured: [], at: now)
        let run = Task { await keeper.run() }
        let all = (1...10).map { start + .seconds(60 * $0) }
        let expected =
            switch missed {
            case .skip: [Timestamp]()
            case .once: [all[9]]
            case .all: all
            }
        try await eventually {
            let state = try await keeper.state(of: name)
            return state.next == start + .seconds(660) && state.lastRun?.outcome == (expected.isEmpty ? nil : "done")
        }
        #expect(try await keeper.runs(of: name, limit: 100).reversed().map(\.due) == expected)
        run.cancel()
        await run.value
    }

    @Test(.timeLimit(.minutes(1))) func `a due time is acted on once at most, whatever is started anew`() async throws {
        let now = Timestamp.now()
        let start = now - .seconds(65)
        let first = try ScheduleStore(path: "\(folder.path)/schedules.sqlite")
        try await keeper().put(schedule(.all), at: start)
        let run = ScheduleRun(due: start + .seconds(60), beganAt: now)
        #expect(try await first.begin([(name, run)]) == [name])
        #expect(try await first.begin([(name, run)]).isEmpty)

        let acts = Acts()
        let keeper = try keeper(acts)
        try await keeper.load(configured: [], at: now)
        let state = try await keeper.state(of: name)
        #expect(state.next == start + .seconds(120))
        #expect(state.lastRun?.outcome?.hasPrefix("interrupted") == true)
        #expect(await acts.count == 0)
    }

    @Test(.timeLimit(.minutes(1))) func `a schedule does not run beside itself, and is taken away while it runs`()
        async throws
    {
        let acts = Acts(holding: true)
        let keeper = try keeper(acts)
        try await keeper.put(schedule(.skip), at: .now())
        let byHand = Task { try await keeper.runNow(name, at: .now()) }
        try await eventually { await acts.count == 1 }
        #expect(try await keeper.state(of: name).isRunning)
        await #expect(throws: OrchError.self) { try await keeper.runNow(name, at: .now()) }
        try await keeper.remove(name)
        await acts.letGo()
        try await byHand.value
        #expect(await keeper.all.isEmpty)
        #expect(await acts.count == 1)
    }

    @Test func `what is paused is not due, and misses nothing when it goes on`() async throws {
        let start = Timestamp.now()
        let keeper = try keeper()
        try await keeper.put(schedule(.all), at: start)
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
        try await keeper.load(configured: [schedule(.skip)], at: start)
        try await keeper.put(own, at: start)
        let later = try self.keeper()
        try await later.load(configured: [], at: start)
        #expect(await later.all.map(\.record.schedule.name) == [own.name])
    }

    @Test func `the last due time is found without going through all of them`() throws {
        let now = try #require(Timestamp(rfc3339: "2026-11-26T10:00:00Z"))
        let known = try #require(Timestamp(rfc3339: "2016-01-01T00:00:00Z"))
        let cron = Recurrence.cron(try CronExpression("0 0 3 * *"), .utc)
        #expect(cron.last(upTo: now, from: known).rfc3339(decimals: 0) == "2026-11-03T00:00:00Z")
        let often = Recurrence.cron(try CronExpression("* * * * * *"), .utc)
        #expect(often.last(upTo: now, from: known) == now)
        #expect(cron.last(upTo: known, from: known) == known)
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
