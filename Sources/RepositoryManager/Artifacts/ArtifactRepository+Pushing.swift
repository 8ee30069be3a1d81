import FoundationEssentials
import OrchModel
import OrchModuleFile
import OrchSystem

/// From uploaded content to an artifact.
extension ArtifactRepository {
    /// What a bundle's configuration says.
    struct BundleConfiguration: Codable, Sendable {
        var name: String
        var version: String
        var description: String
        var files: Int
        var bytes: Int64
    }

    /// Makes an artifact of content that was uploaded: a bundle, a container image, or a plain file.
    ///
    /// - Throws: ``ModuleFileError`` for mistakes in a bundle's module file; ``OrchError``: `notFound` when the content is not
    ///   there yet, `invalidRequest` for an archive that may not be taken, `conflict` for a version that is there. What was
    ///   refused leaves nothing behind.
    /// - Parameter isBuilt: it is an image that was built for us.
    func push(_ request: PushRequest, isBuilt: Bool = false) async throws -> ArtifactTagRecord {
        do {
            return try await take(request, isBuilt)
        } catch let error as OrchError where error.code == .notFound || error.code == .conflict {
            throw error
        } catch {
            await discard(request.digest)
            throw error
        }
    }

    private func take(_ request: PushRequest, _ isBuilt: Bool) async throws -> ArtifactTagRecord {
        // The archive of an image does not stay, but what it consists of does.
        if let known = try await catalog.image(madeOf: request.digest), let digest = known.digest,
            let manifest = await content(of: digest), try await isComplete(manifest)
        {
            let store = store
            let bytes = try await FileWork.run { try store.read(digest, upTo: Manifest.largest) }
            return try await finish(
                bytes,
                ArtifactReference(request.name ?? known.name, version: request.version ?? known.version ?? .latest),
                request)
        }
        guard try await size(of: request.digest) != nil else { throw BlobStore.missing(request.digest) }
        let path = store.path(of: request.digest)
        let name = request.fileName.isEmpty ? "the archive" : request.fileName
        let limits = limits
        let isModuleFile = request.fileName.hasSuffix(".yaml") || request.fileName.hasSuffix(".yml")
        let kind = try await FileWork.runLong { () -> Kind in
            guard ArchiveReader.isArchive(path) else { return isModuleFile ? .moduleFile : .file }
            if try ImageArchive.isOne(path, name: name, limits: limits) { return .image }
            let bundle = BundleArchive(path: path, name: name, limits: limits)
            return try bundle.inspect().map { .bundle($0) } ?? .file
        }
        switch kind {
        case .image: return try await pushImage(request, name, isBuilt)
        case .bundle(let content): return try await pushBundle(request, content, archive: request.digest)
        case .moduleFile: return try await pushModuleFile(request)
        case .file: return try await pushFile(request)
        }
    }

    private enum Kind: Sendable {
        case image, file, moduleFile
        case bundle(BundleArchive.Content)
    }

    // MARK: Bundles

    private func pushBundle(_ request: PushRequest, _ content: BundleArchive.Content, archive: Digest) async throws
        -> ArtifactTagRecord
    {
        let spec = try ModuleFile.parse(
            content.moduleFile, path: ModuleFile.fileName, baseDirectory: "/")
        let name = request.name ?? ArtifactName(spec.name)
        let version = try request.version ?? ArtifactVersion(checking: spec.version)
        let configuration = try await write(
            BundleConfiguration(
                name: spec.name.rawValue, version: version.rawValue, description: spec.description,
                files: content.files, bytes: content.bytes))
        let manifest = Manifest(
            artifactType: ContentType.bundle,
            config: ContentDescriptor(ContentType.bundle, configuration.digest, size: configuration.size),
            layers: [
                ContentDescriptor(
                    ContentType.bundleFiles, archive, size: store.size(of: archive) ?? 0,
                    annotations: [AnnotationKey.title: "\(spec.name)-\(version).tar"])
            ])
        return try await finish(try manifest.encoded, ArtifactReference(name, version: version), request)
    }

    /// A module file by itself is a bundle of one file.
    private func pushModuleFile(_ request: PushRequest) async throws -> ArtifactTagRecord {
        let store = store
        let bytes = try await FileWork.run { try store.read(request.digest, upTo: ModuleFile.largest) }
        let archive =
            TarHeader.bytes(ModuleFile.fileName, .file(size: Int64(bytes.count), mode: 0o644)) + bytes
            + TarHeader.padding(after: Int64(bytes.count)) + TarHeader.end
        let digest = try await FileWork.run { try store.write(archive) }
        let content = BundleArchive.Content(
            moduleFile: String(decoding: bytes, as: UTF8.self), bytes: Int64(bytes.count), files: 1)
        do {
            return try await pushBundle(request, content, archive: digest)
        } catch {
            await discard(digest)
            throw error
        }
    }

    // MARK: Images and files

    private func pushImage(_ request: PushRequest, _ name: String, _ isBuilt: Bool) async throws -> ArtifactTagRecord {
        let archive = ImageArchive(path: store.path(of: request.digest), name: name, limits: limits, store: store)
        let imported = try await FileWork.runLong {
            var imported = try archive.load()
            imported.manifest = try archive.complete(imported.manifest)
            if isBuilt { imported.manifest = try BuiltImage(store: archive.store).settled(imported.manifest) }
            return imported
        }
        var reference = Self.reference(ofImage: imported.reference, orFile: request.fileName)
        let own = ArtifactReference(reference.name, version: reference.version, digest: imported.manifest)
        if let name = request.name { reference.name = name }
        if let version = request.version { reference.version = version }
        let store = store
        let bytes = try await FileWork.run { try store.read(imported.manifest, upTo: Manifest.largest) }
        let tag = try await finish(bytes, reference, request)
        try await save { try await self.catalog.note(own, madeOf: request.digest) }
        // What it consists of is in the store now.
        await discard(request.digest)
        return tag
    }

    /// Without the registry's host, and without a digest.
    private static func reference(ofImage name: String, orFile fileName: String) -> ArtifactReference {
        var parts = name.split(separator: "/")
        if parts.count > 1, parts[0].contains(".") || parts[0].contains(":") || parts[0] == "localhost" {
            parts.removeFirst()
        }
        if let reference = try? ArtifactReference(checking: parts.joined(separator: "/")) {
            return ArtifactReference(reference.name, version: reference.version ?? .latest)
        }
        return ArtifactReference(self.name(ofFile: fileName), version: ArtifactVersion(rawValue: name) ?? .latest)
    }

    private static func name(ofFile fileName: String) -> ArtifactName {
        let base = fileName.hasSuffix(".tar") ? String(fileName.dropLast(4)) : fileName
        return ArtifactName(fileName: base) ?? ArtifactName(unchecked: "artifact")
    }

    private func pushFile(_ request: PushRequest) async throws -> ArtifactTagRecord {
        let title = request.fileName.isEmpty ? "artifact" : request.fileName
        let store = store
        let empty = try await FileWork.run { try store.write(Array("{}".utf8)) }
        let manifest = Manifest(
            artifactType: ContentType.file, config: ContentDescriptor(ContentType.empty, empty, size: 2),
            layers: [
                ContentDescriptor(
                    MediaType.of(fileName: title).split(separator: ";").first.map(String.init) ?? "", request.digest,
                    size: store.size(of: request.digest) ?? 0, annotations: [AnnotationKey.title: title])
            ])
        let name = request.name ?? ArtifactName(fileName: title) ?? ArtifactName(unchecked: "artifact")
        return try await finish(
            try manifest.encoded, ArtifactReference(name, version: request.version ?? .latest), request)
    }

    // MARK: What all have in common

    private func finish(_ manifest: [UInt8], _ reference: ArtifactReference, _ request: PushRequest) async throws
        -> ArtifactTagRecord
    {
        try await put(manifest, as: reference, force: request.force)
        guard let tag = tag(reference) else { throw unknown(reference) }
        return tag
    }

    private func write(_ value: some Encodable & Sendable) async throws(OrchError) -> (digest: Digest, size: Int64) {
        let store = store
        return try await FileWork.run {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let bytes = Array(try encoder.encode(value))
            return (try store.write(bytes), Int64(bytes.count))
        }
    }

    private func isComplete(_ manifest: Manifest) async throws(OrchError) -> Bool {
        let store = store
        return try await FileWork.run {
            manifest.references.allSatisfy { blob in
                store.touch(blob.digest)
                return store.has(blob.digest)
            }
        }
    }

    /// Removes content at once that nothing refers to.
    private func discard(_ digest: Digest) async {
        for record in manifestRecords {
            if record.digest == digest { return }
            if await content(of: record.digest)?.references.contains(where: { $0.digest == digest }) == true { return }
        }
        let store = store
        _ = try? await FileWork.run { store.remove(digest) }
    }
}
