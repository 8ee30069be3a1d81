import GRDB
package import OrchModel

extension Store {
    private static let mostRequests: Int64 = 100_000

    /// Writes a request down before it is carried out. Its outcome is added by ``finish(_:)``.
    package func begin(_ request: RequestRecord) async throws -> Int64 {
        let content = try Self.encode(request)
        return try await queue.write { database in
            try database.execute(
                sql: "INSERT INTO request (at, content) VALUES (?, ?)", arguments: [request.at.nanoseconds, content])
            let id = database.lastInsertedRowID
            if id % 1000 == 0 {
                try database.execute(sql: "DELETE FROM request WHERE id <= ?", arguments: [id - Self.mostRequests])
            }
            return id
        }
    }

    package func finish(_ request: RequestRecord) async throws {
        let content = try Self.encode(request)
        try await queue.write {
            try $0.execute(sql: "UPDATE request SET content = ? WHERE id = ?", arguments: [content, request.id])
        }
    }

    /// How many requests are looked through at once, so that nothing waits long for the database.
    private static let searchedRequests: Int64 = 10_000

    /// The newest first.
    ///
    /// - Parameters:
    ///   - words: what their method, path, person, origin and status must hold together; empty for all. Only so many of the
    ///     latest are looked through.
    ///   - before: only those whose id is below.
    package func requests(with words: String, before: Int64?, limit: Int) async throws -> [RequestRecord] {
        let contents = try await queue.read { database in
            let last = try Int64.fetchOne(database, sql: "SELECT max(id) FROM request") ?? 0
            let end = min(before ?? .max, last + 1)
            return try String.fetchAll(
                database,
                sql: """
                    SELECT content FROM request WHERE id < ?1 AND id >= ?1 - ?2 AND (?3 = '' OR instr(lower(
                        (content ->> 'method') || ' ' || (content ->> 'path') || ' ' || coalesce(content ->> 'by', '') || ' '
                        || (content ->> 'from') || ' ' || (content ->> 'status')), ?3) > 0)
                    ORDER BY id DESC LIMIT ?4
                    """, arguments: [end, Self.searchedRequests, words.lowercased(), limit])
        }
        return try contents.map { try Self.decode(RequestRecord.self, $0) }
    }
}
