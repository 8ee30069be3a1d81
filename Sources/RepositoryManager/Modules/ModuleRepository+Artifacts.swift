package import OrchModel

/// Artifacts, with regard to what is deployed of them.
extension ModuleRepository {
    /// All versions, the newest of a name first.
    package func artifactViews() async -> [ArtifactView] {
        await artifacts.artifacts(inUse: artifacts.digests(usedBy: deployed))
    }

    /// Makes an artifact of content that was uploaded: a bundle, a container image, or a plain file.
    ///
    /// - Throws: ``ModuleFileError`` for mistakes in a bundle's module file; ``OrchError``: `notFound` when the content is not
    ///   there yet, `invalidRequest` for an archive that may not be taken, `conflict` for a version that is there. What was
    ///   refused leaves nothing behind.
    /// - Parameter isBuilt: it is an image that was built for us, of which what is accidental is left out.
    package func push(_ request: PushRequest, isBuilt: Bool = false) async throws -> ArtifactView {
        let tag = try await artifacts.push(request, isBuilt: isBuilt)
        guard let view = await artifacts.view(of: tag, inUse: artifacts.digests(usedBy: deployed)) else {
            throw OrchError(.failed, "\(tag.name):\(tag.version) was removed while it came")
        }
        return view
    }

    /// Removes an artifact's version, and what nothing else needs.
    ///
    /// - Throws: `notFound`; `conflict` when a service, an instance or a version to go back to needs it.
    package func remove(_ reference: ArtifactReference) async throws(OrchError) -> PruneView {
        try await artifacts.remove(reference, for: deployed)
    }

    /// Frees what no artifact, no instance, no version to go back to and no upload needs.
    ///
    /// - Parameter delay: content that was written or asked for since then stays, as somebody may be about to name it; an hour
    ///   by default.
    package func prune(olderThan delay: TimeSpan?) async throws(OrchError) -> PruneView {
        try await artifacts.collect(olderThan: delay ?? ArtifactRepository.collectionDelay, for: deployed)
    }

    /// Prunes at times, until the task is cancelled.
    package func run() async { await artifacts.run(for: deployed) }
}
