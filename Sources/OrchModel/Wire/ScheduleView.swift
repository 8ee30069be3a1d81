/// What is due, and when. The form of the scheduler's configuration and of its API.
package struct Schedule: Codable, Hashable, Sendable {
    /// What is done at a due time.
    package enum Action: String, Codable, Sendable, CaseIterable {
        case start, stop, restart, deploy, scale, http
        /// Runs a module to its end.
        case job
        /// Starts a service when a window of time opens and stops it when it closes.
        case window
    }

    /// What becomes of due times that passed while the scheduler did not run, or the schedule still did: none is made up
    /// for, the last one, or all of them in order.
    package enum Missed: String, Codable, Sendable, CaseIterable { case skip, once, all }

    /// What becomes of a job that is due while it runs: it runs beside itself, is left to ``Missed``, or begins anew.
    package enum Concurrency: String, Codable, Sendable, CaseIterable { case allow, forbid, replace }

    package var name: ModuleName
    /// Five or six fields of cron; or ``every``, ``at``, or a window.
    package var cron: String?
    /// The zone that cron, windows and exceptions are meant in; UTC by default.
    package var timeZone: String?
    package var every: TimeSpan?
    package var at: Timestamp?
    /// When a window opens and closes, as in `08:00`. One that closes before it opens lasts over midnight.
    package var startTime: String?
    package var endTime: String?
    /// Days of the week on which windows open, as in cron: `mon-fri`; every day by default.
    package var days: String?
    /// Days on which nothing is due: `2026-12-25`, `2026-12-24/2026-12-31`, or names of calendars.
    package var except: [String]?
    package var action: Action
    /// What all actions but `http` act on.
    package var module: ModuleName?
    /// What `http` calls, by POST.
    package var url: String?
    /// For `scale`.
    package var replicas: Int?
    /// How long a try of a job may take; without end by default.
    package var timeout: TimeSpan?
    /// How often a job that failed is tried again; 0 by default.
    package var retries: Int?
    /// Before the first of them, twice as long before each further one; 10s by default, an hour at most.
    package var retryDelay: TimeSpan?
    /// ``Concurrency/forbid`` by default.
    package var concurrency: Concurrency?
    /// ``Missed/skip`` by default; for windows ``Missed/once``, so that a service is as it should be.
    package var missed: Missed?
    /// Each act comes later than it is due by a part of it, so that not all do the same at once.
    package var jitter: TimeSpan?

    package init(name: ModuleName, action: Action) {
        self.name = name
        self.action = action
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case name, cron, every, at, days, except, action, module, url, replicas, timeout, retries, concurrency, missed
        case jitter
        case timeZone = "time_zone"
        case startTime = "start_time"
        case endTime = "end_time"
        case retryDelay = "retry_delay"
    }

    /// When it is due, as it was written.
    package var times: String {
        let zone = timeZone.map { " (\($0))" } ?? ""
        if let cron { return cron + zone }
        if let startTime { return "\(startTime) to \(endTime ?? "") \(days ?? "every day")\(zone)" }
        return every.map { "every \($0)" } ?? at.map { "at \($0)" } ?? ""
    }

    /// What it does, as people read it.
    package var act: String {
        let count = replicas.map { " to \($0)" } ?? ""
        return "\(action.rawValue) \(module?.rawValue ?? url ?? "")\(count)"
    }
}

/// One time that a schedule was acted on.
package struct ScheduleRun: Codable, Hashable, Sendable {
    /// With the schedule's name what tells it from every other one.
    package var due: Timestamp
    package var beganAt: Timestamp
    /// `nil` while it goes on.
    package var endedAt: Timestamp?
    package var outcome: String?

    package init(due: Timestamp, beganAt: Timestamp, endedAt: Timestamp? = nil, outcome: String? = nil) {
        self.due = due
        self.beganAt = beganAt
        self.endedAt = endedAt
        self.outcome = outcome
    }

    package enum CodingKeys: String, CodingKey {
        case due, outcome
        case beganAt = "began_at"
        case endedAt = "ended_at"
    }
}

/// A schedule, and what becomes of it.
package struct ScheduleView: Codable, Sendable {
    package var schedule: Schedule
    package var next: Timestamp?
    package var lastRun: ScheduleRun?
    package var isPaused: Bool
    package var isRunning: Bool
    /// Why it is never due: it was set when what it needs was there, such as a time zone.
    package var problem: String?

    package init(
        schedule: Schedule, next: Timestamp?, lastRun: ScheduleRun?, isPaused: Bool, isRunning: Bool, problem: String?
    ) {
        self.schedule = schedule
        self.next = next
        self.lastRun = lastRun
        self.isPaused = isPaused
        self.isRunning = isRunning
        self.problem = problem
    }

    package enum CodingKeys: String, CodingKey {
        case schedule, next, problem
        case lastRun = "last_run"
        case isPaused = "paused"
        case isRunning = "running"
    }
}
