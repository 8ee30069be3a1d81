import NIOHTTP1
package import OrchModel

extension EngineClient {
    /// Makes a bridge network unless there is one of that name.
    package func ensureNetwork(_ name: String, labels: [String: String]) async throws(OrchError) {
        struct Network: Decodable {
            var name: String
            enum CodingKeys: String, CodingKey { case name = "Name" }
        }
        let filters = try Self.filters(["name": [.string(name)]])
        // The filter finds parts of names, too.
        let known: [Network] = try await get("/networks", query: [("filters", filters)])
        if known.contains(where: { $0.name == name }) { return }
        do throws(OrchError) {
            try await call(
                .POST, "/networks/create",
                body: [
                    "Name": .string(name), "Driver": "bridge", "CheckDuplicate": true,
                    "Labels": .object(labels.mapValues(JSONValue.string)),
                ])
        } catch  where error.code == .conflict {
            // Somebody was quicker.
        }
    }

    /// Removes a network that nobody is in any more; any other stays.
    package func removeNetwork(_ name: String) async {
        _ = try? await call(.DELETE, "/networks/\(name.percentEncoded)")
    }
}
