import Logging
import OrchModel
import OrchSystem

/// Carries out what is due. The agent and the web are behind it.
protocol ScheduleAction: Sendable {
    /// - Parameter act: one of its due times.
    func perform(_ schedule: Schedule, _ act: ScheduledAct) async throws
}

struct ScheduledAct: Sendable {
    var due: Timestamp
    /// It was begun by a scheduler that has ended meanwhile.
    var isResumed = false
    /// Due times of the same schedule that still run, and are to give way.
    var replaced: [Timestamp] = []
}

/// Keeps the schedules and acts at their due times.
///
/// A due time is written down before its act and marked as ended after it: it is acted on once at most, whatever crashes.
/// What becomes of due times that passed while the scheduler did not run is ``Schedule/Missed``. A schedule never runs
/// beside itself, unless it is a job that says so; different ones do.
actor ScheduleKeeper {
    private static let longestSleep = TimeSpan.seconds(60)
    /// So many schedules at once take memory for a moment that is worth giving back.
    private static let many = 1000
    /// How soon the store is tried again that could not be written.
    private static let storeDelay = TimeSpan.seconds(1)
    private static let interruption = "interrupted: the scheduler ended meanwhile"

    private let executor = ThreadExecutor(name: "schedules")
    private let store: ScheduleStore
    private let action: any ScheduleAction
    private let logger: Logger
    private var records = RecordTable()
    private var lastRuns: [ModuleName: ScheduleRun] = [:]
    private var running: [ModuleName: [Timestamp]] = [:]
    private var calendars: [String: [String]] = [:]
    /// Why a schedule is never due.
    private var problems: [ModuleName: String] = [:]
    /// Jobs that were begun by a scheduler that has ended.
    private var unfinished: [(name: ModuleName, run: ScheduleRun)] = []
    private(set) var counts = Counts()
    private var queue = DueQueue()
    private let changes = Signal()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(store: ScheduleStore, action: any ScheduleAction, logger: Logger) {
        self.store = store
        self.action = action
        self.logger = logger
    }

    /// Reads what was kept, and takes over what the configuration says now.
    func load(configured: ScheduleConfiguration, at now: Timestamp) async throws {
        let jobs = Set(try await store.load().map(\.record.schedule).filter { $0.action == .job }.map(\.name))
        // Jobs go on without us, so that they are only waited for; how far anything else came nobody knows.
        unfinished = try await store.unfinished().filter { jobs.contains($0.name) }
        for (name, run) in unfinished { running[name, default: []].append(run.due) }
        try await store.endInterrupted(at: now, outcome: Self.interruption, except: unfinished)
        for (record, run) in try await store.load() {
            records[record.schedule.name] = record
            lastRuns[record.schedule.name] = run
        }
        try await configure(configured, at: now)
        logger.info("\(records.count) schedules")
    }

    /// Takes over what the configuration says now; what people have set stays.
    ///
    /// - Throws: `invalidRequest` for a schedule of it that is wrong. Nothing is changed then.
    func configure(_ configuration: ScheduleConfiguration, at now: Timestamp) async throws {
        try configuration.check(at: now)
        let names = Set(configuration.schedules.map(\.name))
        let removed = records.values.filter { $0.isConfigured && !names.contains($0.schedule.name) }
            .map(\.schedule.name)
        let changed = try configuration.schedules.filter { records[$0.name]?.schedule != $0 }.map {
            try record($0, isConfigured: true, configuration.calendars, at: now)
        }
        try await store.save(changed, removed: removed)
        calendars = configuration.calendars
        for name in removed { forget(name) }
        for record in changed { records[record.schedule.name] = record }
        for name in records.names { prepare(name, at: now) }
        ProcessMemory.trim()
        for record in changed { applyWindow(record.schedule, at: now) }
        changes.send()
    }

    /// A service should be at once as its window has it, whatever the schedule said before.
    private func applyWindow(_ schedule: Schedule, at now: Timestamp) {
        guard schedule.action == .window, problems[schedule.name] == nil else { return }
        queue.set(DueQueue.Entry(fires: now, due: now, name: schedule.name))
    }

    /// Finds out when a schedule is due. One that was right when it was set may not be any more; then it says so.
    private func prepare(_ name: ModuleName, at now: Timestamp) {
        guard let record = records[name] else { return }
        do throws(OrchError) {
            _ = try Recurrence(record.schedule, anchor: record.createdAt, calendars: calendars)
            problems[name] = nil
        } catch {
            if problems.updateValue(error.message, forKey: name) != error.message {
                logger.error("never due", metadata: ["schedule": "\(name)", "cause": "\(error.message)"])
            }
        }
        plan(name, at: now)
    }

    /// Made whenever it is asked for: of very many schedules few are asked at a time, and each would take memory.
    private func recurrence(of name: ModuleName) -> Recurrence? {
        guard let record = records[name] else { return nil }
        return try? Recurrence(record.schedule, anchor: record.createdAt, calendars: calendars)
    }

    // MARK: What there is

    /// What has been done since the scheduler started.
    struct Counts: Sendable {
        var done = 0
        var failed = 0
        /// By how much acts began later than they should have, in seconds: altogether, and at most.
        var lateness = 0.0
        var worstLateness = 0.0
    }

    /// The first ones by name, of those whose names hold a word.
    func states(with word: String = "", limit: Int = .max) -> [ScheduleView] {
        let found = records.names.filter { word.isEmpty || $0.rawValue.contains(word) }
        return found.sorted().prefix(limit).compactMap { try? state(of: $0) }
    }

    /// - Throws: `notFound`.
    func state(of name: ModuleName) throws(OrchError) -> ScheduleView {
        guard let record = records[name] else { throw unknown(name) }
        return ScheduleView(
            schedule: record.schedule, next: queue[name]?.due, lastRun: lastRuns[name], isPaused: record.isPaused,
            isRunning: running[name] != nil, problem: problems[name])
    }

    /// When a schedule that is not set yet would be due.
    ///
    /// - Throws: `invalidRequest` for one that is wrong.
    func dueTimes(of schedule: Schedule, after now: Timestamp, count: Int) throws(OrchError) -> [Timestamp] {
        try Recurrence(schedule, anchor: now, calendars: calendars).dueTimes(after: now, count: count)
    }

    /// The next due times of a schedule, those of a paused one as if it were not.
    ///
    /// - Throws: `notFound`.
    func dueTimes(of name: ModuleName, after now: Timestamp, count: Int) throws(OrchError) -> [Timestamp] {
        guard let record = records[name] else { throw unknown(name) }
        return try Recurrence(record.schedule, anchor: record.createdAt, calendars: calendars).dueTimes(
            after: now, count: count)
    }

    /// The last runs of a schedule, the newest first.
    ///
    /// - Throws: `notFound`.
    func runs(of name: ModuleName, limit: Int) async throws -> [ScheduleRun] {
        guard records[name] != nil else { throw unknown(name) }
        return try await store.runs(of: name, limit: limit)
    }

    private func unknown(_ name: ModuleName) -> OrchError {
        let hint = nearest(to: name.rawValue, in: records.names.map(\.rawValue)).map { "; did you mean \($0)?" } ?? ""
        return OrchError(.notFound, "there is no schedule \(name)\(hint)")
    }

    // MARK: Changes

    /// - Throws: `invalidRequest` for one that is wrong, `conflict` for one that the configuration sets. Nothing is changed
    ///   then.
    func put(_ schedules: [Schedule], at now: Timestamp) async throws {
        for schedule in schedules {
            try checkOwner(of: schedule.name)
            try checkComes(schedule, after: now)
        }
        let new = try schedules.map { try record($0, isConfigured: false, calendars, at: now) }
        try await store.save(new)
        for record in new {
            records[record.schedule.name] = record
            prepare(record.schedule.name, at: now)
            applyWindow(record.schedule, at: now)
        }
        logger.info(
            "set", metadata: ["schedules": "\(new.count)", "first": "\(new.first?.schedule.name.rawValue ?? "")"])
        changes.send()
    }

    /// One that is changed stays paused, and goes on in its step.
    private func record(
        _ schedule: Schedule, isConfigured: Bool, _ calendars: [String: [String]], at now: Timestamp
    ) throws(OrchError) -> ScheduleRecord {
        let old = records[schedule.name]
        let anchor = old.flatMap { $0.schedule.every == schedule.every ? $0.createdAt : nil } ?? now
        return ScheduleRecord(
            schedule: schedule, createdAt: anchor, isConfigured: isConfigured, isPaused: old?.isPaused ?? false,
            countsSince: try Recurrence(schedule, anchor: anchor, calendars: calendars).countsSince(now))
    }

    /// What never comes is a mistake of whoever sets it now. Later it may well be over.
    private func checkComes(_ schedule: Schedule, after now: Timestamp) throws(OrchError) {
        guard try Recurrence(schedule, anchor: now, calendars: calendars).next(after: now) == nil else { return }
        let why = schedule.at == nil ? "there is no such day, or every one is excepted" : "its time has passed"
        throw OrchError(.invalidRequest, "schedule \(schedule.name) would never be due: \(why)")
    }

    /// What the configuration sets would be back with the next start.
    private func checkOwner(of name: ModuleName) throws(OrchError) {
        guard records[name]?.isConfigured == true else { return }
        throw OrchError(
            .conflict,
            "\(name) is set by the scheduler's configuration: change it there, it is read again at once; 'orch schedule pause \(name)' has it wait"
        )
    }

    /// - Throws: `notFound`; `conflict` for one that the configuration sets.
    func remove(_ name: ModuleName) async throws {
        guard records[name] != nil else { throw unknown(name) }
        try checkOwner(of: name)
        try await store.save([], removed: [name])
        forget(name)
        changes.send()
    }

    private func forget(_ name: ModuleName) {
        records[name] = nil
        lastRuns[name] = nil
        problems[name] = nil
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
        guard let schedule = records[name]?.schedule else { throw unknown(name) }
        guard running[name] == nil || schedule.overlaps else {
            throw OrchError(.conflict, "\(name) is running already")
        }
        let act = beginning(name, due: now)
        if !schedule.overlaps { queue.remove(name) }
        let run = ScheduleRun(due: now, beganAt: now)
        do {
            _ = try await store.begin([(name, run)])
            lastRuns[name] = run
        } catch {
            ended(name, due: now)
            plan(name, at: .now())
            throw error
        }
        try await Task { try await carryOut(name, run, act) }.value
    }

    // MARK: Acting

    private typealias Begun = (name: ModuleName, run: ScheduleRun, act: ScheduledAct)

    /// Acts until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for (name, run) in unfinished {
                group.addTask {
                    try? await self.carryOut(name, run, ScheduledAct(due: run.due, isResumed: true))
                }
            }
            unfinished = []
            while !Task.isCancelled {
                for (name, run, act) in await beginDue(at: .now()) {
                    group.addTask { try? await self.carryOut(name, run, act) }
                }
                let seen = changes.count
                // The wall clock may be set, so it is looked at again.
                let span = queue.earliest.map { min(max($0 - .now(), .zero), Self.longestSleep) } ?? Self.longestSleep
                await changes.wait(after: seen, atMost: span.duration)
            }
        }
    }

    private func beginDue(at now: Timestamp) async -> [Begun] {
        var (runs, entries): ([Begun], [DueQueue.Entry]) = ([], [])
        while let entry = queue.popDue(at: now) {
            guard let recurrence = recurrence(of: entry.name), let schedule = records[entry.name]?.schedule else {
                continue
            }
            let due = schedule.missedPolicy == .once ? recurrence.last(upTo: now, from: entry.due) : entry.due
            let act = beginning(entry.name, due: due)
            runs.append((entry.name, ScheduleRun(due: due, beganAt: now), act))
            entries.append(entry)
            let late = (now - entry.fires).seconds
            counts.lateness += late
            counts.worstLateness = max(counts.worstLateness, late)
        }
        guard !runs.isEmpty else { return [] }
        let begun: Set<ModuleName>
        do {
            begun = try await store.begin(runs.map { ($0.name, $0.run) })
        } catch {
            logger.error(
                "\(runs.count) due times cannot be written down and wait", metadata: ["cause": "\(error)"])
            for (name, run, _) in runs { ended(name, due: run.due) }
            for entry in entries where records[entry.name]?.isPaused == false {
                queue.set(DueQueue.Entry(fires: now + Self.storeDelay, due: entry.due, name: entry.name))
            }
            return []
        }
        for (name, run, _) in runs {
            lastRuns[name] = run
            let isBegun = begun.contains(name)
            if !isBegun { ended(name, due: run.due) }
            if !isBegun || records[name]?.schedule.overlaps == true { plan(name, at: .now()) }
        }
        return runs.filter { begun.contains($0.name) }
    }

    /// Notes that a due time is acted on.
    private func beginning(_ name: ModuleName, due: Timestamp) -> ScheduledAct {
        let others = running[name] ?? []
        running[name] = others + [due]
        let gives = records[name]?.schedule.concurrency == .replace
        return ScheduledAct(due: due, replaced: gives ? others : [])
    }

    private func ended(_ name: ModuleName, due: Timestamp) {
        running[name]?.removeAll { $0 == due }
        if running[name]?.isEmpty == true { running[name] = nil }
    }

    private func carryOut(_ name: ModuleName, _ begun: ScheduleRun, _ act: ScheduledAct) async throws {
        var run = begun
        defer {
            ended(name, due: run.due)
            if records[name] != nil {
                if run.due >= lastRuns[name]?.due ?? run.due { lastRuns[name] = run }
                plan(name, at: .now())
                changes.send()
            }
        }
        guard var schedule = records[name]?.schedule else { return }
        if let recurrence = recurrence(of: name) { schedule.action = recurrence.action(of: schedule, at: run.due) }
        let result: Result<Void, any Error>
        let facts: Logger.Metadata = [
            "schedule": "\(name)", "action": "\(schedule.action.rawValue)", "due": "\(run.due)",
        ]
        do {
            try await action.perform(schedule, act)
            run.outcome = "done"
            counts.done += 1
            logger.info("done", metadata: facts)
            result = .success(())
        } catch {
            // The next start says what has become of it.
            try Task.checkCancellation()
            let cause = OrchError(wrapping: error, "\(error)").message
            run.outcome = cause
            counts.failed += 1
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

    /// Sets when a schedule is acted on next, unless it runs just now and may not beside itself.
    private func plan(_ name: ModuleName, at now: Timestamp) {
        queue.remove(name)
        guard let record = records[name], let recurrence = recurrence(of: name), !record.isPaused else { return }
        let schedule = record.schedule
        if running[name] != nil, !schedule.overlaps { return }
        let skips = schedule.missedPolicy == .skip
        let seen = max(record.countsSince, lastRuns[name]?.due ?? record.countsSince)
        var due = recurrence.next(after: skips ? now - (schedule.jitter ?? .zero) : min(seen, now))
        while skips, let passed = due, passed + schedule.delay(of: passed) <= now {
            due = recurrence.next(after: passed)
        }
        guard let due else { return }
        queue.set(DueQueue.Entry(fires: due + schedule.delay(of: due), due: due, name: name))
    }
}
