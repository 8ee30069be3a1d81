import Glibc
import Logging
import OrchModel
import OrchSystem

/// What is there, and what nobody needs any more.
extension ArtifactRepository {
    /// Content that has just come may be about to be named.
    static let collectionDelay = TimeSpan.seconds(3600)
    private static let collectionInterval = Duration.seconds(6 * 3600)

    func artifacts(inUse: Set<Digest>) async -> [ArtifactView] {
        var views: [ArtifactView] = []
        for tag in tags {
            if let view = await view(of: tag, inUse: inUse) { views.append(view) }
        }
        return views.sorted { ($0.name, $1.pushedAt) < ($1.name, $0.pushedAt) }
    }

    func view(of tag: ArtifactTagRecord, inUse: Set<Digest>) async -> ArtifactView? {
        guard let manifest = await content(of: tag.digest) else { return nil }
        var size = manifest.size
        for child in manifest.manifests ?? [] { size = size.clampedSum(await content(of: child.digest)?.size ?? 0) }
        return ArtifactView(
            name: tag.name, version: tag.version, kind: manifest.kind, digest: tag.digest, size: size,
            pushedAt: tag.at, description: await description(of: tag.digest, manifest),
            download: downloadName(of: tag, manifest), isInUse: inUse.contains(tag.digest))
    }

    private func description(of digest: Digest, _ manifest: Manifest) async -> String {
        if let text = manifest.annotations?[AnnotationKey.description] { return text }
        if manifest.kind == .bundle, let configuration = manifest.config?.digest {
            return await decode(BundleConfiguration.self, configuration)?.description ?? ""
        }
        if manifest.kind == .image, let image = try? await imageConfiguration(of: digest) {
            return image.config?.labels?[AnnotationKey.description] ?? ""
        }
        return ""
    }

    // MARK: Collecting

    /// Removes an artifact's version, and what nothing else needs.
    ///
    /// - Throws: `conflict` when a service, an instance or a version to go back to needs it.
    func remove(_ reference: ArtifactReference, for users: any DeployedModules) async throws(OrchError) -> PruneView {
        guard let tag = tag(reference) else { throw unknown(reference) }
        let isAlone = !tags.contains { $0.digest == tag.digest && $0 != tag }
        if isAlone, await digests(usedBy: users).contains(tag.digest) {
            throw OrchError(
                .conflict,
                "\(tag.name):\(tag.version) is in use: a service runs it, or could go back to it; 'orch rm SERVICE' first"
            )
        }
        try await forget(tag.name, version: tag.version)
        return try await collect(olderThan: Self.collectionDelay, for: users)
    }

    /// Frees what no artifact, no instance, no version to go back to and no upload needs.
    ///
    /// - Parameter delay: content that was written or asked for since then stays: somebody may be about to name it.
    func collect(olderThan delay: TimeSpan, for users: any DeployedModules) async throws(OrchError) -> PruneView {
        try await gate.pass(Self.naming) { () throws(OrchError) in try await self.collectAlone(delay, users) }
    }

    private func collectAlone(_ delay: TimeSpan, _ users: any DeployedModules) async throws(OrchError) -> PruneView {
        let limit = Timestamp.now() - delay
        let inUse = await digests(usedBy: users)
        var kept = Set(tags.map(\.digest)).union(inUse)
        kept.formUnion(manifestRecords.filter { $0.at > limit }.map(\.digest))
        var blobs = Set<Digest>()
        var left = kept
        while let digest = left.popFirst() {
            blobs.insert(digest)
            guard let manifest = try await certainContent(of: digest) else { continue }
            blobs.formUnion(manifest.blobs.map(\.digest))
            // Those that say something about it stay with it.
            let others =
                (manifest.manifests ?? []).map(\.digest) + (try await manifests { $0.subject?.digest == digest })
            for other in others where kept.insert(other).inserted { left.insert(other) }
        }
        // Whoever is told to end must not judge by what could not be read any more.
        if Task.isCancelled { throw OrchError(.unavailable, "the agent ends") }
        try await forget(manifestRecords.filter { !kept.contains($0.digest) })
        let (store, needed) = (store, blobs)
        let freed = try await FileWork.runLong {
            var freed = PruneView(blobs: 0, bytes: 0)
            for digest in store.all where !needed.contains(digest) {
                guard let touched = store.touchedAt(digest), touched < limit, let size = store.size(of: digest) else {
                    continue
                }
                store.remove(digest)
                freed.blobs += 1
                freed.bytes += size
            }
            store.removeLeftovers(olderThan: limit)
            return freed
        }
        await removeTrees(except: inUse)
        if freed.blobs > 0 {
            logger.info("collected", metadata: ["blobs": "\(freed.blobs)", "bytes": "\(freed.bytes)"])
        }
        return freed
    }

    private func manifests(where fits: (Manifest) -> Bool) async throws(OrchError) -> [Digest] {
        var found: [Digest] = []
        for record in manifestRecords {
            if let manifest = try await certainContent(of: record.digest), fits(manifest) {
                found.append(record.digest)
            }
        }
        return found
    }

    /// Collects at times until the task is cancelled.
    func run(for users: any DeployedModules) async {
        guard collectsByItself else {
            return logger.warning("the database is new and names nothing that is there: 'orch prune' removes it")
        }
        repeat {
            await uploads.removeOld()
            do {
                _ = try await collect(olderThan: Self.collectionDelay, for: users)
            } catch {
                logger.warning("what is not needed cannot be removed", metadata: ["cause": "\(error)"])
            }
        } while (try? await Task.sleep(for: Self.collectionInterval)) != nil
    }

    /// The manifests that something deployed was made from.
    func digests(usedBy users: any DeployedModules) async -> Set<Digest> {
        var digests = Set<Digest>()
        for spec in await users.specsInUse() {
            if let digest = tree(at: spec.baseDirectory) { digests.insert(digest) }
            if let digest = (try? ArtifactReference(checking: spec.image))?.digest { digests.insert(digest) }
        }
        return digests
    }
}
