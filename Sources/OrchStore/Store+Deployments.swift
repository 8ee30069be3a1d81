import GRDB
package import OrchModel

/// Documents by their keys: what they hold is the business of whoever owns them.
extension Store {
    /// How much history is kept.
    private static let mostEvents = 100_000
    private static let mostDeployments = 10_000

    package struct Documents: Sendable {
        package var services: [String] = []
        package var instances: [String] = []
        package var lastEvent: Int64 = 0
    }

    package struct Changes: Sendable {
        package var services: [(name: ModuleName, content: String)] = []
        package var removedServices: [ModuleName] = []
        package var instances: [(id: InstanceID, module: ModuleName, content: String)] = []
        package var removedInstances: [InstanceID] = []
        package var deployments: [DeploymentView] = []
        package var events: [Event] = []

        package init() {}
    }

    package func load() async throws -> Documents {
        try await queue.read { database in
            Documents(
                services: try String.fetchAll(database, sql: "SELECT content FROM service ORDER BY name"),
                instances: try String.fetchAll(database, sql: "SELECT content FROM instance ORDER BY id"),
                lastEvent: try Int64.fetchOne(database, sql: "SELECT max(sequence) FROM event") ?? 0)
        }
    }

    /// All of it in one transaction.
    package func save(_ changes: Changes) async throws {
        try await queue.write { database in
            for service in changes.services {
                try Self.run(
                    database, "INSERT OR REPLACE INTO service VALUES (?, ?)", [service.name.rawValue, service.content])
            }
            for name in changes.removedServices {
                try Self.run(database, "DELETE FROM service WHERE name = ?", [name.rawValue])
            }
            for instance in changes.instances {
                try Self.run(
                    database, "INSERT OR REPLACE INTO instance VALUES (?, ?, ?)",
                    [instance.id.rawValue, instance.module.rawValue, instance.content])
            }
            for id in changes.removedInstances {
                try Self.run(database, "DELETE FROM instance WHERE id = ?", [id.rawValue])
            }
            for deployment in changes.deployments {
                try Self.run(
                    database, "INSERT OR REPLACE INTO deployment VALUES (?, ?, ?, ?)",
                    [
                        deployment.id.rawValue, deployment.module.rawValue, deployment.startedAt.nanoseconds,
                        try Self.encode(deployment),
                    ])
            }
            for event in changes.events {
                try Self.run(
                    database, "INSERT INTO event VALUES (?, ?, ?, ?)",
                    [event.sequence, event.at.nanoseconds, event.module?.rawValue, try Self.encode(event)])
                if event.sequence % 1000 == 0 {
                    try Self.run(
                        database, "DELETE FROM event WHERE sequence <= ?", [event.sequence - Int64(Self.mostEvents)])
                    try Self.run(
                        database,
                        "DELETE FROM deployment WHERE id NOT IN (SELECT id FROM deployment ORDER BY started DESC LIMIT ?)",
                        [Self.mostDeployments])
                }
            }
        }
    }

    private static func run(_ database: Database, _ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView? {
        let content = try await queue.read {
            try String.fetchOne($0, sql: "SELECT content FROM deployment WHERE id = ?", arguments: [id.rawValue])
        }
        return try content.map { try Self.decode(DeploymentView.self, $0) }
    }

    /// The newest first.
    package func deployments(of module: ModuleName?, limit: Int) async throws -> [DeploymentView] {
        let contents = try await queue.read { database in
            try String.fetchAll(
                database,
                sql: "SELECT content FROM deployment WHERE ?1 IS NULL OR module = ?1 ORDER BY started DESC LIMIT ?2",
                arguments: [module?.rawValue, limit])
        }
        return try contents.map { try Self.decode(DeploymentView.self, $0) }
    }

    /// In the order they happened: those behind `sequence`, or where it is `nil` the last ones.
    package func events(after sequence: Int64?, module: ModuleName?, limit: Int) async throws -> [Event] {
        let contents = try await queue.read { database in
            if let sequence {
                return try String.fetchAll(
                    database,
                    sql:
                        "SELECT content FROM event WHERE sequence > ?1 AND (?2 IS NULL OR module = ?2) ORDER BY sequence LIMIT ?3",
                    arguments: [sequence, module?.rawValue, limit])
            }
            return try String.fetchAll(
                database,
                sql: "SELECT content FROM event WHERE ?1 IS NULL OR module = ?1 ORDER BY sequence DESC LIMIT ?2",
                arguments: [module?.rawValue, limit]
            ).reversed()
        }
        return try contents.map { try Self.decode(Event.self, $0) }
    }

    /// Those of a module from one time to another, in the order they happened; the last ones where there are more.
    package func events(of module: ModuleName, from: Timestamp, until: Timestamp, limit: Int) async throws -> [Event] {
        let contents = try await queue.read { database in
            try String.fetchAll(
                database,
                sql:
                    "SELECT content FROM event WHERE module = ? AND at BETWEEN ? AND ? ORDER BY sequence DESC LIMIT ?",
                arguments: [module.rawValue, from.nanoseconds, until.nanoseconds, limit]
            ).reversed()
        }
        return try contents.map { try Self.decode(Event.self, $0) }
    }

    /// All of these kinds, in the order they happened; the last ones where there are more.
    package func events(of kinds: [String], limit: Int) async throws -> [Event] {
        let places = databaseQuestionMarks(count: kinds.count)
        let contents = try await queue.read { database in
            try String.fetchAll(
                database,
                sql:
                    "SELECT content FROM event WHERE json_extract(content, '$.kind') IN (\(places)) ORDER BY sequence DESC LIMIT ?",
                arguments: StatementArguments(kinds) + [limit]
            ).reversed()
        }
        return try contents.map { try Self.decode(Event.self, $0) }
    }
}
