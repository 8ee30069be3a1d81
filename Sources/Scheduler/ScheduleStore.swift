import FoundationEssentials
import GRDB
import OrchModel
import OrchSystem

/// A schedule as it is kept.
struct ScheduleRecord: Codable, Sendable, Equatable {
    var schedule: Schedule
    /// What its intervals are counted from.
    var createdAt: Timestamp
    /// It came from the configuration file, which may take it away again.
    var isConfigured: Bool
    /// Nothing is due until somebody says so.
    var isPaused: Bool
    /// Due times before it do not count as missed: it was set then, or resumed.
    var countsSince: Timestamp

    enum CodingKeys: String, CodingKey {
        case schedule
        case createdAt = "created_at"
        case isConfigured = "configured"
        case isPaused = "paused"
        case countsSince = "counts_since"
    }
}

/// Keeps schedules and their runs in one SQLite database. What was saved is on disk.
struct ScheduleStore: Sendable {
    /// So many runs of a schedule are kept.
    private static let mostRuns = 100
    /// How long another one may write, in seconds.
    private static let patience = 5.0

    private let queue: DatabaseQueue

    init(path: String) throws {
        var configuration = Configuration()
        configuration.label = "scheduler"
        // While a new instance takes over, the old one still writes.
        configuration.busyMode = .timeout(Self.patience)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        try Files.makeFolder(Files.parent(of: path))
        queue = try DatabaseQueue(path: path, configuration: configuration)
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE schedule (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE TABLE run (schedule TEXT NOT NULL, due INTEGER NOT NULL, began INTEGER NOT NULL, ended INTEGER, outcome TEXT, PRIMARY KEY (schedule, due)) STRICT, WITHOUT ROWID;
                    """)
        }
        try migrator.migrate(queue)
    }

    /// Every schedule with its last run.
    func load() async throws -> [(record: ScheduleRecord, lastRun: ScheduleRun?)] {
        try await queue.read { database in
            // SQLite takes the other columns from the row that has the maximum (its documentation, "Bare columns").
            let rows = try Row.fetchAll(
                database, sql: "SELECT schedule, MAX(due) AS due, began, ended, outcome FROM run GROUP BY schedule")
            let runs = Dictionary(rows.map { ($0["schedule"] as String, Self.run($0)) }) { first, _ in first }
            return try Row.fetchAll(database, sql: "SELECT name, content FROM schedule").map { row in
                let content: String = row["content"]
                let record = try JSONDecoder().decode(ScheduleRecord.self, from: Data(content.utf8))
                return (record, runs[row["name"]])
            }
        }
    }

    /// - Parameter removed: schedules that are forgotten with all their runs.
    func save(_ records: [ScheduleRecord], removed: [ModuleName] = []) async throws {
        try await queue.write { database in
            let encoder = JSONEncoder()
            for record in records {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO schedule VALUES (?, ?)",
                    arguments: [
                        record.schedule.name.rawValue, String(decoding: try encoder.encode(record), as: UTF8.self),
                    ])
            }
            for name in removed {
                try database.execute(sql: "DELETE FROM schedule WHERE name = ?", arguments: [name.rawValue])
                try database.execute(sql: "DELETE FROM run WHERE schedule = ?", arguments: [name.rawValue])
            }
        }
    }

    // MARK: Runs

    /// Writes down that due times are acted on now.
    ///
    /// - Returns: whose were not written down before, and are to be acted on.
    func begin(_ runs: [(name: ModuleName, run: ScheduleRun)]) async throws -> Set<ModuleName> {
        try await queue.write { database in
            var begun: Set<ModuleName> = []
            for (name, run) in runs {
                try database.execute(
                    sql: "INSERT OR IGNORE INTO run (schedule, due, began) VALUES (?, ?, ?)",
                    arguments: [name.rawValue, run.due.nanoseconds, run.beganAt.nanoseconds])
                if database.changesCount > 0 { begun.insert(name) }
            }
            return begun
        }
    }

    func end(_ name: ModuleName, _ run: ScheduleRun) async throws {
        try await queue.write { database in
            try database.execute(
                sql: "UPDATE run SET ended = ?, outcome = ? WHERE schedule = ? AND due = ?",
                arguments: [run.endedAt?.nanoseconds, run.outcome, name.rawValue, run.due.nanoseconds])
            try database.execute(
                sql: """
                    DELETE FROM run WHERE schedule = ?1 AND due <= (
                        SELECT due FROM run WHERE schedule = ?1 ORDER BY due DESC LIMIT 1 OFFSET ?2)
                    """,
                arguments: [name.rawValue, Self.mostRuns])
        }
    }

    /// What was going on when the scheduler itself ended.
    func unfinished() async throws -> [(name: ModuleName, run: ScheduleRun)] {
        try await queue.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM run WHERE ended IS NULL ORDER BY due").map {
                (ModuleName(unchecked: $0["schedule"]), Self.run($0))
            }
        }
    }

    /// Ends what was going on when the scheduler itself ended. It is not begun again: nobody knows how far it came.
    ///
    /// - Parameter except: what is gone on with.
    func endInterrupted(at now: Timestamp, outcome: String, except: [(name: ModuleName, run: ScheduleRun)]) async throws
    {
        let kept = except.map { "\($0.name) \($0.run.due.nanoseconds)" }
        try await queue.write { database in
            let all = try Row.fetchAll(database, sql: "SELECT schedule, due FROM run WHERE ended IS NULL")
            for row in all {
                let (name, due): (String, Int64) = (row["schedule"], row["due"])
                if kept.contains("\(name) \(due)") { continue }
                try database.execute(
                    sql: "UPDATE run SET ended = ?, outcome = ? WHERE schedule = ? AND due = ?",
                    arguments: [now.nanoseconds, outcome, name, due])
            }
        }
    }

    /// The last runs, the newest first.
    func runs(of name: ModuleName, limit: Int) async throws -> [ScheduleRun] {
        try await queue.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM run WHERE schedule = ? ORDER BY due DESC LIMIT ?",
                arguments: [name.rawValue, limit]
            ).map(Self.run)
        }
    }

    private static func run(_ row: Row) -> ScheduleRun {
        ScheduleRun(
            due: Timestamp(nanoseconds: row["due"]), beganAt: Timestamp(nanoseconds: row["began"]),
            endedAt: (row["ended"] as Int64?).map { Timestamp(nanoseconds: $0) }, outcome: row["outcome"])
    }
}
