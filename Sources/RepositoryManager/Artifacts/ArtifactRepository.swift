package import Logging
package import OrchModel
import OrchSystem

/// Keeps artifacts: what they consist of by its digests, and the names and versions that stand for it.
///
/// Content is there before anything names it, and is collected only when nothing names it any more.
package actor ArtifactRepository {
    package nonisolated let uploads: Uploads
    nonisolated let store: BlobStore
    nonisolated let trees: String
    nonisolated let downloads: String
    nonisolated let limits: ArchiveLimits
    let catalog: any ArtifactCatalog
    let logger: Logger
    /// Naming content and collecting what has no name take turns; so do those who unpack the same bundle.
    let gate = KeyedGate()
    /// Not when the database was lost: what the old one named would go. Whoever asks for it is obeyed.
    let collectsByItself: Bool
    private(set) var tags: [ArtifactTagRecord] = []
    private(set) var manifestRecords: [ArtifactManifestRecord] = []
    private var parsed: [Digest: Manifest] = [:]

    static let naming = "naming"

    /// - Parameters:
    ///   - folder: gets the folders `blobs`, `uploads`, `trees` and `Downloads`.
    ///   - limits: of archives; an upload has at most as many bytes.
    ///   - isCatalogNew: the catalog was just made, so that it says nothing of content which is there already.
    /// - Throws: when the folder cannot be made, or the catalog not read.
    package init(
        folder: String, limits: ArchiveLimits, catalog: any ArtifactCatalog, isCatalogNew: Bool = false,
        logger: Logger
    ) async throws {
        store = try BlobStore(folder: "\(folder)/blobs/sha256")
        uploads = try Uploads(folder: "\(folder)/uploads", store: store, limit: limits.bytes)
        trees = "\(folder)/trees"
        downloads = "\(folder)/Downloads"
        self.limits = limits
        self.catalog = catalog
        self.logger = logger
        try Self.makeFolders([folder, trees], downloads)
        (tags, manifestRecords) = try await catalog.artifacts()
        collectsByItself = !(isCatalogNew && !store.all.isEmpty)
    }

    // MARK: Content

    package func size(of blob: Digest) async throws(OrchError) -> Int64? {
        let store = store
        return try await FileWork.run {
            // Whoever asks is about to refer to it.
            store.touch(blob)
            return store.size(of: blob)
        }
    }

    /// - Parameter range: within the content; `nil` for all of it.
    package func open(_ blob: Digest, range: Range<Int64>? = nil) async throws(OrchError) -> BlobReader {
        let store = store
        return try await FileWork.runLong { try BlobReader(blob, in: store, range: range) }
    }

    // MARK: Manifests

    package struct StoredManifest: Sendable {
        package var digest: Digest
        package var mediaType: String
        package var bytes: [UInt8]
        /// The manifest that it says something about.
        package var subject: Digest?
    }

    /// - Throws: `notFound` when there is none of that name and version or digest.
    package func manifest(_ reference: ArtifactReference) async throws(OrchError) -> StoredManifest {
        let digest = try digest(of: reference)
        let store = store
        let bytes = try await FileWork.run { try store.read(digest, upTo: Manifest.largest) }
        return StoredManifest(
            digest: digest, mediaType: try Manifest(decoding: bytes).kindOfContent, bytes: bytes)
    }

    func digest(of reference: ArtifactReference) throws(OrchError) -> Digest {
        if let digest = reference.digest {
            if manifestRecords.contains(where: { $0.name == reference.name && $0.digest == digest }) { return digest }
        } else if let tag = tag(reference) {
            return tag.digest
        }
        throw unknown(reference)
    }

    /// The version that is asked for, or the one that was pushed last.
    func tag(_ reference: ArtifactReference) -> ArtifactTagRecord? {
        tags.filter {
            $0.name == reference.name && reference.version.map { [version = $0.version] in $0 == version } != false
                && (reference.digest == nil || $0.digest == reference.digest)
        }.max { $0.at < $1.at }
    }

    func unknown(_ reference: ArtifactReference) -> OrchError {
        let versions = tags.filter { $0.name == reference.name }.map(\.version.rawValue)
        let hint =
            versions.isEmpty
            ? nearest(to: reference.name.rawValue, in: tags.map(\.name.rawValue)).map { "; did you mean \($0)?" }
                ?? ": 'orch artifacts' lists them"
            : ": there are \(versions.prefix(10).joined(separator: ", "))"
        return OrchError(.notFound, "the repository has no \(reference)\(hint)")
    }

    /// Takes a manifest whose content is there.
    ///
    /// - Parameters:
    ///   - reference: with the version that it shall be, or with its digest alone.
    ///   - force: whether a version that is there gives way.
    /// - Throws: `invalidRequest` for what is no manifest, has another digest or refers to what is not there; `conflict` for
    ///   a version that is there with other content.
    @discardableResult
    package func put(_ bytes: [UInt8], mediaType: String? = nil, as reference: ArtifactReference, force: Bool = false)
        async throws(OrchError) -> StoredManifest
    {
        guard bytes.count <= Manifest.largest else {
            throw OrchError(.invalidRequest, "a manifest has at most \(ByteSize(bytes: Int64(Manifest.largest)))")
        }
        let manifest = try Manifest(decoding: bytes)
        if let mediaType, let own = manifest.mediaType, own != mediaType {
            throw OrchError(.invalidRequest, "the manifest says that it is \(own), and the request \(mediaType)")
        }
        let stored = try await gate.pass(Self.naming) { () throws(OrchError) in
            try await self.putAlone(bytes, manifest, mediaType, reference, force)
        }
        await linkDownloads()
        return stored
    }

    private func putAlone(
        _ bytes: [UInt8], _ manifest: Manifest, _ mediaType: String?, _ reference: ArtifactReference, _ force: Bool
    ) async throws(OrchError) -> StoredManifest {
        let store = store
        let digest = try await FileWork.run {
            for blob in manifest.references {
                guard let size = store.size(of: blob.digest), size == blob.size else {
                    throw OrchError(
                        .invalidRequest, "the manifest refers to \(blob.digest), which was not pushed with that size")
                }
                store.touch(blob.digest)
            }
            return try store.write(bytes)
        }
        if let wanted = reference.digest, wanted != digest {
            throw OrchError(.invalidRequest, "the manifest has the digest \(digest), not \(wanted)")
        }
        if let version = reference.version, !force { try checkFree(reference.name, version, for: digest) }
        let record = ArtifactManifestRecord(name: reference.name, digest: digest, at: .now())
        // Those of an index can be asked for by their digests, too.
        let children = (manifest.manifests ?? []).map {
            ArtifactManifestRecord(name: reference.name, digest: $0.digest, at: record.at)
        }
        try await save {
            for child in children { try await self.catalog.save(child, version: nil) }
            try await self.catalog.save(record, version: reference.version)
        }
        let new = [record] + children
        manifestRecords.removeAll { known in new.contains { $0.name == known.name && $0.digest == known.digest } }
        manifestRecords = new + manifestRecords
        if let version = reference.version {
            tags.removeAll { $0.name == reference.name && $0.version == version }
            tags.insert(
                ArtifactTagRecord(name: reference.name, version: version, digest: digest, at: record.at), at: 0)
        }
        parsed[digest] = manifest
        logger.info("pushed", metadata: ["artifact": "\(reference)", "digest": "\(digest)"])
        return StoredManifest(
            digest: digest, mediaType: mediaType ?? manifest.kindOfContent, bytes: bytes,
            subject: manifest.subject?.digest)
    }

    /// - Parameter digest: of what the version shall be; `nil` where that is not known yet.
    /// - Throws: `conflict` when the version stands for something else.
    package func checkFree(_ name: ArtifactName, _ version: ArtifactVersion, for digest: Digest? = nil)
        throws(OrchError)
    {
        guard version != .latest,
            let there = tags.first(where: { $0.name == name && $0.version == version }), there.digest != digest
        else { return }
        throw OrchError(
            .conflict,
            "\(name):\(version) is there with other content, and a version stays what it is: give this one another version, or replace it with --force"
        )
    }

    /// Forgets versions and manifests; what they consist of goes with the next collection.
    package func forget(_ digest: Digest, of name: ArtifactName) async throws(OrchError) {
        try await gate.pass(Self.naming) { () throws(OrchError) in try await self.forgetAlone(digest, name) }
        await linkDownloads()
    }

    private func forgetAlone(_ digest: Digest, _ name: ArtifactName) async throws(OrchError) {
        guard manifestRecords.contains(where: { $0.name == name && $0.digest == digest }) else {
            throw unknown(ArtifactReference(name, digest: digest))
        }
        try await save { try await self.catalog.removeManifests([digest], of: name) }
        manifestRecords.removeAll { $0.name == name && $0.digest == digest }
        tags.removeAll { $0.name == name && $0.digest == digest }
    }

    package func forget(_ name: ArtifactName, version: ArtifactVersion) async throws(OrchError) {
        try await gate.pass(Self.naming) { () throws(OrchError) in try await self.forgetAlone(name, version) }
        await linkDownloads()
    }

    private func forgetAlone(_ name: ArtifactName, _ version: ArtifactVersion) async throws(OrchError) {
        guard tags.contains(where: { $0.name == name && $0.version == version }) else {
            throw unknown(ArtifactReference(name, version: version))
        }
        try await save { try await self.catalog.removeArtifact(name, version: version) }
        tags.removeAll { $0.name == name && $0.version == version }
        logger.info("removed", metadata: ["artifact": "\(name):\(version)"])
    }

    func save(_ body: @Sendable () async throws -> Void) async throws(OrchError) {
        do {
            try await body()
        } catch {
            throw OrchError(.failed, "the agent cannot write to its database: free some disk space", cause: error)
        }
    }

    /// Takes manifests that nothing needs out of the books.
    func forget(_ gone: [ArtifactManifestRecord]) async throws(OrchError) {
        for (name, records) in Dictionary(grouping: gone, by: \.name) {
            try await save { try await self.catalog.removeManifests(records.map(\.digest), of: name) }
        }
        manifestRecords.removeAll { gone.contains($0) }
        for record in gone { parsed[record.digest] = nil }
    }

    // MARK: Names

    package var names: [ArtifactName] { Set(manifestRecords.map(\.name)).sorted() }

    /// - Throws: `notFound` for a name that nothing was pushed to.
    package func versions(of name: ArtifactName) throws(OrchError) -> [ArtifactVersion] {
        guard manifestRecords.contains(where: { $0.name == name }) else { throw unknown(ArtifactReference(name)) }
        return tags.filter { $0.name == name }.map(\.version).sorted()
    }

    /// What a manifest says; `nil` when it is not there or damaged, or cannot be read now.
    func content(of digest: Digest) async -> Manifest? { try? await certainContent(of: digest) }

    /// What a manifest says; `nil` when it is not there or damaged.
    ///
    /// - Throws: when it cannot be read now, which says nothing of it.
    func certainContent(of digest: Digest) async throws(OrchError) -> Manifest? {
        if let known = parsed[digest] { return known }
        let store = store
        do throws(OrchError) {
            let bytes = try await FileWork.run { try store.read(digest, upTo: Manifest.largest) }
            let manifest = try Manifest(decoding: bytes)
            parsed[digest] = manifest
            return manifest
        } catch {
            // Damaged content has been set aside, and what is no manifest is none.
            if error.code == .invalidRequest || !store.has(digest) { return nil }
            throw error
        }
    }

    /// The index of all manifests that say something about another one, such as signatures.
    package func referrers(of digest: Digest, in name: ArtifactName, type: String?) async throws(OrchError) -> [UInt8] {
        var found: [ContentDescriptor] = []
        for record in manifestRecords where record.name == name {
            guard let manifest = await content(of: record.digest), manifest.subject?.digest == digest,
                let bytes = try? manifest.encoded
            else { continue }
            var descriptor = ContentDescriptor(
                manifest.kindOfContent, record.digest,
                size: store.size(of: record.digest) ?? Int64(bytes.count), annotations: manifest.annotations)
            descriptor.artifactType = manifest.artifactType ?? manifest.config?.mediaType
            if type == nil || descriptor.artifactType == type { found.append(descriptor) }
        }
        return try Manifest(index: found).encoded
    }

    private static func makeFolders(_ passable: [String], _ downloads: String) throws(SystemError) {
        for folder in passable {
            try Files.makeFolder(folder)
            // Instances that run as other users pass through to their own files.
            try Files.allowPassing(folder)
        }
        try Files.makeFolder(downloads)
    }
}
