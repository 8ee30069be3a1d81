package import ContainerEngine
package import NIOCore
package import OrchModel

/// Images that engines build for us.
extension ContainerDriver {
    /// Builds an image and hands it out as an archive.
    ///
    /// - Parameters:
    ///   - context: a tar archive of the files that it is built from.
    ///   - output: gets what is printed meanwhile.
    ///   - read: gets the archive's bytes.
    /// - Throws: `unavailable` when no engine answers, `failed` when a step fails.
    package nonisolated func build<Result: Sendable>(
        _ plan: BuildPlan, on runtime: RuntimeKind,
        context: some AsyncSequence<ByteBuffer, any Error> & Sendable, output: (String) async throws -> Void,
        _ read: (any AsyncSequence<ByteBuffer, any Error> & Sendable) async throws -> Result
    ) async throws(OrchError) -> Result {
        let client = try await client(for: runtime)
        try await client.buildImage(plan, context, output: output)
        return try await client.saveImage(plan.name) { try await read($0) }
    }
}
