import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
package import OrchModel

/// Something that happened to a container.
package struct EngineEvent: Sendable {
    /// As in `die`, `oom`, `destroy` or `health_status: healthy`.
    package var action: String
    package var container: String
}

/// Takes apart a stream of JSON documents, one a line.
struct JSONLines<Document: Decodable> {
    private var buffer: [UInt8] = []

    mutating func add(_ bytes: ByteBuffer) -> [Document] {
        buffer += bytes.readableBytesView
        guard let end = buffer.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let whole = buffer[...end]
        let documents = whole.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Document.self, from: Data($0))
        }
        buffer.removeFirst(whole.count)
        return documents
    }
}

extension EngineClient {
    /// Hands on what happens to containers with a label, until the engine goes away or the task is cancelled.
    ///
    /// - Parameter whenListening: called once nothing can be missed any more.
    package func followEvents(
        label: String, value: String, whenListening: () async throws -> Void, _ body: (EngineEvent) async -> Void
    ) async throws(OrchError) {
        struct Document: Decodable {
            struct Actor: Decodable {
                var id: String
                enum CodingKeys: String, CodingKey { case id = "ID" }
            }
            var action: String
            var actor: Actor
            enum CodingKeys: String, CodingKey {
                case action = "Action"
                case actor = "Actor"
            }
        }
        let filters = try Self.filters(["type": ["container"], "label": [.string("\(label)=\(value)")]])
        try await stream(.GET, "/events", query: [("filters", filters)]) { chunks in
            try await whenListening()
            var lines = JSONLines<Document>()
            for try await chunk in chunks {
                for event in lines.add(chunk) {
                    await body(EngineEvent(action: event.action, container: event.actor.id))
                }
            }
        }
    }
}
