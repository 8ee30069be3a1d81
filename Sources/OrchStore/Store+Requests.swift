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

    /// The newest first.
    package func requests(limit: Int) async throws -> [RequestRecord] {
        let contents = try await queue.read {
            try String.fetchAll($0, sql: "SELECT content FROM request ORDER BY id DESC LIMIT ?", arguments: [limit])
        }
        return try contents.map { try Self.decode(RequestRecord.self, $0) }
    }
}
