import ContainerEngine
import Logging
import NIOCore
import OrchModel
import OrchSystem
import RepositoryManager
import RuntimeManager

extension Agent {
    /// Has an engine build an image, and takes it into the repository.
    ///
    /// - Parameter output: gets what is printed meanwhile.
    func build(
        _ request: BuildRequest, output: @escaping @Sendable (String) async throws -> Void
    ) async throws -> ArtifactView {
        // The engine's name for what it builds is the same for all of one name.
        try await builds.pass(request.name.rawValue.lowercased()) { try await self.buildAlone(request, output) }
    }

    private func buildAlone(_ request: BuildRequest, _ output: (String) async throws -> Void) async throws
        -> ArtifactView
    {
        let (name, version) = (request.name, request.version)
        if !request.force { try await artifacts.checkFree(name, version) }
        let context = try await artifacts.open(request.context)
        let plan = BuildPlan(
            // Stays with the engine, so that the next build begins with what has not changed.
            name: "orch.local/build/\(name.rawValue.lowercased()):latest", file: request.file,
            arguments: request.arguments,
            labels: [
                "org.opencontainers.image.title": name.rawValue, "org.opencontainers.image.version": version.rawValue,
            ],
            size: context.size)
        let uploads = artifacts.uploads
        let upload = try await uploads.begin()
        do {
            try await runtime.containers.build(plan, on: request.runtime, context: context, output: output) { archive in
                try await append(archive, to: upload)
            }
            let digest = try await uploads.finish(upload)
            return try await repository.push(
                PushRequest(
                    digest: digest, fileName: "the image", name: name, version: version, force: request.force),
                isBuilt: true)
        } catch {
            await uploads.cancel(upload)
            throw error
        }
    }

    private func append(_ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable, to upload: String) async throws
    {
        _ = try await artifacts.uploads.append(archive, to: upload)
    }
}
