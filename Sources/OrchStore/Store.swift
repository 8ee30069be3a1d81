import FoundationEssentials
import GRDB
import Glibc
import OrchModel
import OrchSystem

/// The durable state of the agent: one SQLite database in WAL mode.
///
/// A committed transaction survives a `kill -9` of the agent; a crash of the machine may lose the last ones, and leaves
/// the database whole (SQLite documentation, "PRAGMA synchronous": NORMAL).
package struct Store: Sendable {
    package enum Origin: Sendable, Equatable {
        case fresh, existing
        /// The database was damaged and lies at this path now.
        case replaced(damaged: String)
    }

    let queue: DatabaseQueue
    package let origin: Origin

    /// Opens or makes the database. A damaged one is moved aside.
    ///
    /// - Throws: when the file cannot be opened or made.
    package init(path: String) throws {
        let existed = Files.exists(path)
        do {
            queue = try Self.open(path)
            origin = existed ? .existing : .fresh
        } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
            let aside = "\(path).damaged-\(Timestamp.now().seconds)"
            for suffix in ["", "-wal", "-shm"] where Files.exists(path + suffix) {
                rename(path + suffix, aside + suffix)
            }
            queue = try Self.open(path)
            origin = .replaced(damaged: aside)
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "orch-db"
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.read { database in
            guard try String.fetchOne(database, sql: "PRAGMA quick_check(1)") == "ok" else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "quick_check failed")
            }
        }
        try migrations.migrate(queue)
        return queue
    }

    private static var migrations: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: services, instances, deployments, events, requests") { database in
            try database.execute(
                sql: """
                    CREATE TABLE service (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT;
                    CREATE TABLE instance (id TEXT PRIMARY KEY, module TEXT NOT NULL, content TEXT NOT NULL) STRICT;
                    CREATE TABLE deployment (id TEXT PRIMARY KEY, module TEXT NOT NULL, started INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
                    CREATE INDEX deployment_by_start ON deployment (started);
                    CREATE TABLE event (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, module TEXT, content TEXT NOT NULL) STRICT;
                    CREATE TABLE request (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("2: artifacts") { database in
            try database.execute(
                sql: """
                    CREATE TABLE artifact_tag (name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, version)) STRICT;
                    CREATE TABLE artifact_manifest (name TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, digest)) STRICT;
                    CREATE TABLE artifact_source (source TEXT PRIMARY KEY, digest TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("3: events of a module by their times") { database in
            try database.execute(sql: "CREATE INDEX event_by_module ON event (module, at)")
        }
        migrator.registerMigration("4: events by their kinds") { database in
            try database.execute(sql: "CREATE INDEX event_by_kind ON event (json_extract(content, '$.kind'))")
        }
        return migrator
    }

    static func encode(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
}
