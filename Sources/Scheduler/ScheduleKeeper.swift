import Logging
import OrchModel
import OrchSystem

/// Carries out what is due. The agent and the web are behind it.
protocol ScheduleAction: Sendable {
    func perform(_ schedule: Schedule) async throws
}

/// Keeps the schedules and acts at their due times.
///
/// A due time is written down before its act and marked as ended after it: it is acted on once at most, whatever crashes.
/// What becomes of due times that passed while the scheduler did not run is ``Schedule/Missed``. A schedule never runs
/// beside itself; different ones do.
actor ScheduleKeeper {
    private static let longestSleep = TimeSpan.seconds(60)
    private static let interruption = "interrupted: the scheduler ended meanwhile"

    private let executor = ThreadExecutor(name: "schedules")
    private let store: ScheduleStore
    private let action: any ScheduleAction
    private let logger: Logger
    private var records: [ModuleName: ScheduleRecord] = [:]
    private var recurrences: [ModuleName: Recurrence] = [:]
    private var lastRuns: [ModuleName: ScheduleRun] = [:]
    private var running: Set<ModuleName> = []
    private var queue = DueQueue()
    private let changes = Signal()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(store: ScheduleStore, action: any ScheduleAction, logger: Logger) {
        self.store = store
        self.action = action
        self.logger = logger
    }

    /// Reads what was kept, and takes over what the configuration file says now.
    func load(configured: [Schedule], at now: Timestamp) async throws {
        try await store.endInterrupted(at: now, outcome: Self.interruption)
        for (record, run) in try await store.load() {
            records[record.schedule.name] = record
            lastRuns[record.schedule.name] = run
        }
        let names = Set(configured.map(\.name))
        let removed = records.values.filter { $0.isConfigured && !names.contains($0.schedule.name) }
            .map(\.schedule.name)
        let changed = configured.filter { records[$0.name]?.schedule != $0 }.map {
            ScheduleRecord(schedule: $0, createdAt: now, isConfigured: true, isPaused: false, countsSince: now)
        }
        for name in removed { forget(name) }
        for record in changed { records[record.schedule.name] = record }
        for (name, record) in records {
            recurrences[name] = try Recurrence(record.schedule, anchor: record.createdAt)
            plan(name, at: now)
        }
        try await store.save(changed, removed: removed)
        logger.info("\(records.count) schedules")
    }

    // MARK: What there is

    struct State: Sendable {
        var record: ScheduleRecord
        var next: Timestamp?
        var lastRun: ScheduleRun?
        var isRunning: Bool
    }

    var all: [State] { records.keys.sorted().compactMap { try? state(of: $0) } }

    /// - Throws: `notFound`.
    func state(of name: ModuleName) throws(OrchError) -> State {
        guard let record = records[name] else { throw unknown(name) }
        return State(
            record: record, next: queue[name]?.due, lastRun: lastRuns[name], isRunning: running.contains(name))
    }

    /// The next due times of a schedule, those of a paused one as if it were not.
    ///
    /// - Throws: `notFound`.
    func dueTimes(of name: ModuleName, after now: Timestamp, count: Int) throws(OrchError) -> [Timestamp] {
        guard let recurrence = recurrences[name] else { throw unknown(name) }
        return recurrence.dueTimes(after: now, count: count)
    }

    /// The last runs of a schedule, the newest first.
    ///
    /// - Throws: `notFound`.
    func runs(of name: ModuleName, limit: Int) async throws -> [ScheduleRun] {
        guard records[name] != nil else { throw unknown(name) }
        return try await store.runs(of: name, limit: limit)
    }

    private func unknown(_ name: ModuleName) -> OrchError {
        let hint = nearest(to: name.rawValue, in: records.keys.map(\.rawValue)).map { "; did you mean \($0)?" } ?? ""
        return OrchError(.notFound, "there is no schedule \(name)\(hint)")
    }

    // MARK: Changes

    /// - Throws: `invalidRequest` for a schedule that is wrong. Nothing is changed then.
    func put(_ schedule: Schedule, at now: Timestamp) async throws {
        let recurrence = try Recurrence(schedule, anchor: now)
        let record = ScheduleRecord(
            schedule: schedule, createdAt: now, isConfigured: false, isPaused: false, countsSince: now)
        try await store.save([record])
        records[schedule.name] = record
        recurrences[schedule.name] = recurrence
        plan(schedule.name, at: now)
        logger.info(
            "schedule set",
            metadata: ["schedule": "\(schedule.name)", "next": "\(queue[schedule.name]?.due.description ?? "never")"])
        changes.send()
    }

    func remove(_ name: ModuleName) async throws {
        guard records[name] != nil else { throw unknown(name) }
        try await store.save([], removed: [name])
        forget(name)
        changes.send()
    }

    private func forget(_ name: ModuleName) {
        records[name] = nil
        recurrences[name] = nil
        lastRuns[name] = nil
        queue.remove(name)
    }

    func setPaused(_ isPaused: Bool, _ name: ModuleName, at now: Timestamp) async throws {
        guard var record = records[name] else { throw unknown(name) }
        if record.isPaused == isPaused { return }
        record.isPaused = isPaused
        record.countsSince = now
        try await store.save([record])
        records[name] = record
        plan(name, at: now)
        logger.info(isPaused ? "paused" : "resumed", metadata: ["schedule": "\(name)"])
        changes.send()
    }

    /// Does at once what the schedule is for, whatever is due. It goes on when whoever asked no longer waits.
    ///
    /// - Throws: `notFound`; `conflict` while it runs; whatever the act throws.
    func runNow(_ name: ModuleName, at now: Timestamp) async throws {
        guard records[name] != nil else { throw unknown(name) }
        guard running.insert(name).inserted else {
            throw OrchError(.conflict, "\(name) is running already")
        }
        queue.remove(name)
        let run = ScheduleRun(due: now, beganAt: now)
        do {
            _ = try await store.begin([(name, run)])
            lastRuns[name] = run
        } catch {
            running.remove(name)
            plan(name, at: .now())
            throw error
        }
        try await Task { try await carryOut(name, run) }.value
    }

    // MARK: Acting

    /// Acts until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for (name, run) in await beginDue(at: .now()) {
                    group.addTask { try? await self.carryOut(name, run) }
                }
                let seen = changes.count
                // The wall clock may be set, so it is looked at again.
                let span = queue.earliest.map { min(max($0 - .now(), .zero), Self.longestSleep) } ?? Self.longestSleep
                await changes.wait(after: seen, atMost: span.duration)
            }
        }
    }

    private func beginDue(at now: Timestamp) async -> [(name: ModuleName, run: ScheduleRun)] {
        var runs: [(name: ModuleName, run: ScheduleRun)] = []
        while let entry = queue.popDue(at: now) {
            guard let recurrence = recurrences[entry.name], let schedule = records[entry.name]?.schedule else {
                continue
            }
            let due = schedule.missed == .once ? recurrence.last(upTo: now, from: entry.due) : entry.due
            running.insert(entry.name)
            runs.append((entry.name, ScheduleRun(due: due, beganAt: now)))
        }
        guard !runs.isEmpty else { return [] }
        var begun: Set<ModuleName> = []
        do {
            begun = try await store.begin(runs)
        } catch {
            logger.error(
                "\(runs.count) due times cannot be written down and are left out", metadata: ["cause": "\(error)"])
        }
        for (name, run) in runs {
            lastRuns[name] = run
            if begun.contains(name) { continue }
            running.remove(name)
            plan(name, at: .now())
        }
        return runs.filter { begun.contains($0.name) }
    }

    private func carryOut(_ name: ModuleName, _ begun: ScheduleRun) async throws {
        var run = begun
        defer {
            running.remove(name)
            if records[name] != nil {
                lastRuns[name] = run
                plan(name, at: .now())
                changes.send()
            }
        }
        guard let schedule = records[name]?.schedule else { return }
        let result: Result<Void, any Error>
        let facts: Logger.Metadata = [
            "schedule": "\(name)", "action": "\(schedule.action.rawValue)", "due": "\(run.due)",
        ]
        do {
            try await action.perform(schedule)
            run.outcome = "done"
            logger.info("done", metadata: facts)
            result = .success(())
        } catch {
            // The next start says what has become of it.
            try Task.checkCancellation()
            let cause = OrchError(wrapping: error, "\(error)").message
            run.outcome = cause
            logger.error("failed", metadata: facts.merging(["cause": "\(cause)"]) { first, _ in first })
            result = .failure(error)
        }
        run.endedAt = .now()
        do {
            try await store.end(name, run)
        } catch {
            logger.error(
                "the end of a run cannot be written down", metadata: ["schedule": "\(name)", "cause": "\(error)"])
        }
        try result.get()
    }

    /// Sets when a schedule is acted on next, unless it runs just now.
    private func plan(_ name: ModuleName, at now: Timestamp) {
        queue.remove(name)
        guard let record = records[name], let recurrence = recurrences[name], !record.isPaused, !running.contains(name)
        else { return }
        let schedule = record.schedule
        let skips = schedule.missed ?? .skip == .skip
        let seen = max(record.countsSince, lastRuns[name]?.due ?? record.countsSince)
        var due = recurrence.next(after: skips ? now - (schedule.jitter ?? .zero) : min(seen, now))
        while skips, let passed = due, passed + schedule.delay(of: passed) <= now {
            due = recurrence.next(after: passed)
        }
        guard let due else { return }
        queue.set(DueQueue.Entry(fires: due + schedule.delay(of: due), due: due, name: name))
    }
}
