import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import OrchModel

/// What an image is built from.
package struct BuildPlan: Sendable {
    /// What the engine calls the image.
    package var name: String
    /// Path of the Dockerfile in the context.
    package var file: String
    package var arguments: [String: String]
    package var labels: [String: String]
    /// Bytes of the context.
    package var size: Int64

    package init(name: String, file: String, arguments: [String: String], labels: [String: String], size: Int64) {
        self.name = name
        self.file = file
        self.arguments = arguments
        self.labels = labels
        self.size = size
    }
}

/// A line of what a build answers.
private struct BuildOutput: Decodable {
    var stream: String?
    var error: String?
}

extension EngineClient {
    /// Has the engine build an image.
    ///
    /// - Parameters:
    ///   - context: a tar archive of the files that it is built from.
    ///   - output: gets what the engine and the commands in the Dockerfile print, bit by bit.
    /// - Throws: `failed` with what the engine says when a step fails.
    package func buildImage(
        _ plan: BuildPlan, _ context: some AsyncSequence<ByteBuffer, any Error> & Sendable,
        output: (String) async throws -> Void
    ) async throws(OrchError) {
        let query = [
            ("t", plan.name), ("dockerfile", plan.file), ("rm", "1"), ("forcerm", "1"),
            ("buildargs", try Self.filters(.object(plan.arguments.mapValues(JSONValue.string)))),
            ("labels", try Self.filters(.object(plan.labels.mapValues(JSONValue.string)))),
            // Podman alone: the image is the same whenever it is built.
            ("timestamp", "0"),
        ]
        try await stream(.POST, "/build", query: query, sending: .stream(context, length: .known(plan.size))) {
            chunks in
            var lines = JSONLines<BuildOutput>()
            for try await chunk in chunks {
                for document in lines.add(chunk) {
                    if let text = document.stream { try await output(text) }
                    if let error = document.error {
                        throw OrchError(.failed, "the image cannot be built: \(error)")
                    }
                }
            }
        }
    }
}
