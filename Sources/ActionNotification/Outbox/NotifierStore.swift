import FoundationEssentials
import GRDB
import OrchModel
import OrchSystem

/// What is told of an incident, complete, so that it stays the same however late it is sent.
struct Notification: Codable, Sendable, Equatable {
    /// Tells it from every other one, also for whoever gets it twice.
    var id: String
    var createdAt: Timestamp
    var occasion: Occasion
    var incident: Incident
    var title: String
    var advice: String
    var lastLines: [String]
    /// What is told at the same time.
    var more: [Notification]?

    enum CodingKeys: String, CodingKey {
        case id, occasion, incident, title, advice, more
        case createdAt = "created_at"
        case lastLines = "last_lines"
    }
}

/// Something to do with a module that was decided and not done yet.
struct PendingAct: Codable, Sendable {
    var action: Rule.Action
    var module: String
    var incident: String
    var decidedAt: Timestamp
}

/// The notifier's durable state, in one SQLite database: how far it has read, what it knows, what it has still to send. All of
/// it changes together, so that what was read is neither forgotten nor taken twice.
struct NotifierStore: Sendable {
    private static let mostHistory: Int64 = 10_000
    /// How long another one may write, in seconds.
    private static let patience = 5.0

    /// What changes together.
    struct Changes: Sendable {
        /// The next offset of each place.
        var offsets: [Place: Int64] = [:]
        /// To be written down, or forgotten where there is none.
        var tracks: [IncidentMachine.Key: IncidentMachine.Track?] = [:]
        var nextNumber: Int64?
        var messages: [(channel: String, due: Timestamp, notification: Notification)] = []
        var acts: [PendingAct] = []
        var history: [NotificationRecord] = []
        var silences: [Silence]?
        /// Kinds of lines that modules have printed for the first time.
        var patterns: [(module: String, shape: String)] = []
        var deployedModules: Set<String>?
    }

    struct Place: Hashable, Sendable {
        var topic: String
        var partition: Int32
    }

    struct Content: Sendable {
        var offsets: [Place: Int64] = [:]
        var tracks: [IncidentMachine.Key: IncidentMachine.Track] = [:]
        var silences: [Silence] = []
        var nextNumber: Int64 = 1
        var patterns: [String: Set<String>] = [:]
        var deployedModules: Set<String> = []
    }

    let queue: DatabaseQueue

    init(path: String) throws {
        var configuration = Configuration()
        configuration.label = "notifier"
        // While a new instance takes over, the old one still writes.
        configuration.busyMode = .timeout(Self.patience)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        queue = try DatabaseQueue(path: path, configuration: configuration)
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE place (topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) STRICT;
                    CREATE TABLE track (rule TEXT NOT NULL, grouping TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (rule, grouping)) STRICT;
                    CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
                    CREATE INDEX outbox_by_channel ON outbox (channel, id);
                    CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
                    CREATE TABLE pattern (module TEXT NOT NULL, shape TEXT NOT NULL, PRIMARY KEY (module, shape)) STRICT;
                    CREATE TABLE value (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("2: acts") { database in
            try database.execute(
                sql: "CREATE TABLE act (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL) STRICT")
        }
        migrator.registerMigration("3: passes") { database in
            try database.execute(
                sql:
                    "CREATE TABLE pass (channel TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (channel, at)) STRICT, WITHOUT ROWID"
            )
        }
        try migrator.migrate(queue)
    }

    func load() async throws -> Content {
        try await queue.read { database in
            var content = Content()
            for row in try Row.fetchAll(database, sql: "SELECT topic, partition, next FROM place") {
                content.offsets[Place(topic: row["topic"], partition: row["partition"])] = row["next"]
            }
            for row in try Row.fetchAll(database, sql: "SELECT rule, grouping, content FROM track") {
                let key = IncidentMachine.Key(rule: row["rule"], group: row["grouping"])
                content.tracks[key] = try Self.decode(IncidentMachine.Track.self, row["content"])
            }
            if let text = try Self.value("silences", database) {
                content.silences = try Self.decode([Silence].self, text)
            }
            for row in try Row.fetchAll(database, sql: "SELECT module, shape FROM pattern") {
                content.patterns[row["module"], default: []].insert(row["shape"])
            }
            if let text = try Self.value("deployed", database) {
                content.deployedModules = try Self.decode(Set<String>.self, text)
            }
            if let text = try Self.value("next_number", database) { content.nextNumber = Int64(text) ?? 1 }
            return content
        }
    }

    private static func value(_ name: String, _ database: Database) throws -> String? {
        try String.fetchOne(database, sql: "SELECT content FROM value WHERE name = ?", arguments: [name])
    }

    func save(_ changes: Changes) async throws {
        try await queue.write { database in
            for (place, next) in changes.offsets {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO place VALUES (?, ?, ?)",
                    arguments: [place.topic, place.partition, next])
            }
            for (key, track) in changes.tracks {
                guard let track else {
                    try database.execute(
                        sql: "DELETE FROM track WHERE rule = ? AND grouping = ?", arguments: [key.rule, key.group])
                    continue
                }
                try database.execute(
                    sql: "INSERT OR REPLACE INTO track VALUES (?, ?, ?)",
                    arguments: [key.rule, key.group, try Self.encode(track)])
            }
            for message in changes.messages {
                try database.execute(
                    sql: "INSERT INTO outbox (channel, due, attempts, content) VALUES (?, ?, 0, ?)",
                    arguments: [message.channel, message.due.nanoseconds, try Self.encode(message.notification)])
            }
            for act in changes.acts {
                try database.execute(sql: "INSERT INTO act (content) VALUES (?)", arguments: [try Self.encode(act)])
            }
            for entry in changes.history { try Self.add(entry, database) }
            for pattern in changes.patterns {
                try database.execute(
                    sql: "INSERT OR IGNORE INTO pattern VALUES (?, ?)", arguments: [pattern.module, pattern.shape])
            }
            if let silences = changes.silences { try Self.set("silences", Self.encode(silences), database) }
            if let modules = changes.deployedModules { try Self.set("deployed", Self.encode(modules), database) }
            if let number = changes.nextNumber { try Self.set("next_number", String(number), database) }
        }
    }

    private static func set(_ name: String, _ content: String, _ database: Database) throws {
        try database.execute(sql: "INSERT OR REPLACE INTO value VALUES (?, ?)", arguments: [name, content])
    }

    static func add(_ entry: NotificationRecord, _ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO history (at, content) VALUES (?, ?)",
            arguments: [entry.at.nanoseconds, try encode(entry)])
        let id = database.lastInsertedRowID
        if id % 100 == 0 {
            try database.execute(sql: "DELETE FROM history WHERE id <= ?", arguments: [id - mostHistory])
        }
    }

    // MARK: Acts

    /// In the order they were decided.
    func acts() async throws -> [(id: Int64, act: PendingAct)] {
        try await queue.read { database in
            try Row.fetchAll(database, sql: "SELECT id, content FROM act ORDER BY id").map {
                (id: $0["id"], act: try Self.decode(PendingAct.self, $0["content"]))
            }
        }
    }

    /// An act is done, or given up.
    func removeAct(_ id: Int64, _ entry: NotificationRecord) async throws {
        try await queue.write { database in
            try database.execute(sql: "DELETE FROM act WHERE id = ?", arguments: [id])
            try Self.add(entry, database)
        }
    }

    /// The newest first.
    func history(limit: Int) async throws -> [NotificationRecord] {
        let contents = try await queue.read {
            try String.fetchAll($0, sql: "SELECT content FROM history ORDER BY id DESC LIMIT ?", arguments: [limit])
        }
        return try contents.map { try Self.decode(NotificationRecord.self, $0) }
    }

    private static func encode(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
}
