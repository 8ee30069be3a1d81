import GRDB
import OrchModel

/// A message to somebody that has not arrived yet.
struct OutboxMessage: Sendable {
    /// Counts upwards: the order within a channel.
    var id: Int64
    var channel: String
    /// Not before.
    var due: Timestamp
    var attempts: Int
    var notification: Notification
}

/// Messages wait here until they have arrived.
extension NotifierStore {
    /// The next message of a channel: the first that is due, or that is tried again, which those behind it wait for; otherwise
    /// the first that will be due. Those that wait for the end of quiet hours are passed over.
    func next(of channel: String, at now: Timestamp) async throws -> OutboxMessage? {
        try await queue.read { database in
            let row =
                try Row.fetchOne(
                    database,
                    sql: "SELECT * FROM outbox WHERE channel = ? AND (due <= ? OR attempts > 0) ORDER BY id LIMIT 1",
                    arguments: [channel, now.nanoseconds])
                ?? Row.fetchOne(
                    database, sql: "SELECT * FROM outbox WHERE channel = ? ORDER BY due LIMIT 1", arguments: [channel])
            return try row.map(Self.message)
        }
    }

    /// Those that may be sent now, in order.
    func due(of channel: String, at now: Timestamp, limit: Int) async throws -> [OutboxMessage] {
        try await queue.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM outbox WHERE channel = ? AND due <= ? ORDER BY id LIMIT ?",
                arguments: [channel, now.nanoseconds, limit]
            ).map(Self.message)
        }
    }

    private static func message(_ row: Row) throws -> OutboxMessage {
        OutboxMessage(
            id: row["id"], channel: row["channel"], due: Timestamp(nanoseconds: row["due"]),
            attempts: row["attempts"], notification: try decode(Notification.self, row["content"]))
    }

    /// Messages have arrived, or are given up.
    ///
    /// - Parameter pass: who has sent them, which counts for its rate.
    func remove(
        _ ids: [Int64], _ entries: [NotificationRecord], pass: (channel: String, at: Timestamp)? = nil
    ) async throws {
        try await queue.write { database in
            for id in ids { try database.execute(sql: "DELETE FROM outbox WHERE id = ?", arguments: [id]) }
            for entry in entries { try Self.add(entry, database) }
            guard let pass else { return }
            try database.execute(
                sql: "INSERT OR IGNORE INTO pass VALUES (?, ?)", arguments: [pass.channel, pass.at.nanoseconds])
            try database.execute(
                sql: "DELETE FROM pass WHERE channel = ? AND at < ?",
                arguments: [pass.channel, (pass.at - NotifierSchema.month).nanoseconds])
        }
    }

    /// When a channel that has sent all that its rate allows may send again; `nil` for now.
    func opening(of channel: String, _ rate: ChannelSettings.Rate, at now: Timestamp) async throws -> Timestamp? {
        guard rate.most > 0 else { return nil }
        let oldest = try await queue.read { database in
            try Int64.fetchOne(
                database,
                sql: "SELECT at FROM pass WHERE channel = ? AND at > ? AND at <= ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                arguments: [channel, (now - rate.within).nanoseconds, now.nanoseconds, rate.most - 1])
        }
        return oldest.map { Timestamp(nanoseconds: $0) + rate.within }
    }

    /// A message is tried again later.
    func postpone(_ message: OutboxMessage, until due: Timestamp) async throws {
        try await queue.write {
            try $0.execute(
                sql: "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE id = ?",
                arguments: [due.nanoseconds, message.id])
        }
    }

    var waiting: [String: Int] {
        get async throws {
            try await queue.read { database in
                var counts: [String: Int] = [:]
                for row in try Row.fetchAll(
                    database, sql: "SELECT channel, count(*) AS count FROM outbox GROUP BY channel")
                {
                    counts[row["channel"]] = row["count"]
                }
                return counts
            }
        }
    }
}
