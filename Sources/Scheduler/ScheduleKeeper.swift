import Logging
import OrchModel
import OrchSystem

/// Carries out what is due. The agent and the web are behind it.
protocol ScheduleAction: Sendable {
    func perform(_ schedule: Schedule) async throws
}

/// Keeps the schedules and acts at their due times. A due time is written down before its act, so that it is acted on once
/// at most, whatever crashes; times that were missed while nothing ran are left out.
actor ScheduleKeeper {
    private let executor = ThreadExecutor(name: "schedules")
    private let store: ScheduleStore
    private let action: any ScheduleAction
    private let logger: Logger
    private var states: [ModuleName: ScheduleState] = [:]
    private var recurrences: [ModuleName: Recurrence] = [:]
    private var next: [ModuleName: Timestamp] = [:]
    private let changes = Signal()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(store: ScheduleStore, action: any ScheduleAction, logger: Logger) {
        self.store = store
        self.action = action
        self.logger = logger
    }

    /// Reads what was kept, and takes over what the configuration file says now.
    func load(configured: [Schedule], at now: Timestamp) throws {
        states = try store.load()
        for (name, state) in states where state.isConfigured && !configured.contains(where: { $0.name == name }) {
            states[name] = nil
        }
        for schedule in configured {
            if states[schedule.name]?.schedule == schedule { continue }
            states[schedule.name] = ScheduleState(schedule: schedule, createdAt: now, isConfigured: true)
        }
        for (name, state) in states {
            recurrences[name] = try Recurrence(state.schedule, anchor: state.createdAt)
            next[name] = recurrences[name]?.next(after: now)
        }
        try store.save(states)
        logger.info("\(states.count) schedules")
    }

    var all: [(state: ScheduleState, next: Timestamp?)] {
        states.values.sorted { $0.schedule.name < $1.schedule.name }.map { ($0, next[$0.schedule.name]) }
    }

    /// - Throws: `invalidRequest` for a schedule that is wrong. Nothing is changed then.
    func put(_ schedule: Schedule, at now: Timestamp) throws {
        let recurrence = try Recurrence(schedule, anchor: now)
        var changed = states
        changed[schedule.name] = ScheduleState(schedule: schedule, createdAt: now, isConfigured: false)
        try store.save(changed)
        states = changed
        recurrences[schedule.name] = recurrence
        next[schedule.name] = recurrence.next(after: now)
        logger.info(
            "schedule set",
            metadata: ["schedule": "\(schedule.name)", "next": "\(next[schedule.name]?.description ?? "never")"])
        changes.send()
    }

    func remove(_ name: ModuleName) throws {
        guard states[name] != nil else { throw OrchError(.notFound, "there is no schedule \(name)") }
        var changed = states
        changed[name] = nil
        try store.save(changed)
        states = changed
        recurrences[name] = nil
        next[name] = nil
        changes.send()
    }

    /// Acts until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let now = Timestamp.now()
            let due = next.filter { $0.value <= now }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            for (name, time) in due { await act(name, due: time) }
            let earliest = next.values.min()
            await sleep(until: earliest)
        }
    }

    /// Sleeps until a time, or until the schedules change. The wall clock may be set meanwhile, so it is looked at again
    /// after a minute at the latest.
    private func sleep(until time: Timestamp?) async {
        let span = time.map { min(max($0 - .now(), .zero), .seconds(60)) } ?? .seconds(60)
        // Yields once at first, for what is known already.
        let changed = changes.listen().dropFirst()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: span.duration, tolerance: .zero) }
            group.addTask { for await _ in changed { return } }
            await group.next()
            group.cancelAll()
        }
    }

    private func act(_ name: ModuleName, due: Timestamp) async {
        guard var state = states[name] else { return }
        next[name] = recurrences[name]?.next(after: max(due, .now()))
        state.lastDue = due
        states[name] = state
        do {
            try store.save(states)
        } catch {
            logger.error(
                "a due time cannot be written down and is left out",
                metadata: ["schedule": "\(name)", "cause": "\(error)"])
            return
        }
        var outcome = "done"
        do {
            try await action.perform(state.schedule)
            logger.info(
                "done",
                metadata: ["schedule": "\(name)", "action": "\(state.schedule.action.rawValue)", "due": "\(due)"])
        } catch {
            outcome = OrchError(wrapping: error, "\(error)").message
            logger.error(
                "failed",
                metadata: ["schedule": "\(name)", "action": "\(state.schedule.action.rawValue)", "cause": "\(outcome)"])
        }
        states[name]?.lastOutcome = outcome
        try? store.save(states)
    }
}
