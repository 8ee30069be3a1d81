package import NIOCore
package import OrchModel
import OrchSystem

/// A container image as an archive that every engine loads: an OCI image layout, and the description that Docker's older
/// format has beside it. Put together while it is read; equal images give equal archives.
package struct ImageExport: Sendable {
    fileprivate enum Part: Sendable {
        case bytes([UInt8])
        case blob(Digest, size: Int64)
    }

    /// What the image is called in the archive.
    package let name: String
    package let digest: Digest
    package let size: Int64
    private let parts: [Part]
    private let repository: ArtifactRepository

    fileprivate init(name: String, digest: Digest, _ files: [(String, Content)], _ repository: ArtifactRepository) {
        self.name = name
        self.digest = digest
        self.repository = repository
        var parts: [Part] = []
        var size: Int64 = 0
        for (path, content) in files {
            let length: Int64 =
                switch content {
                case .bytes(let bytes): Int64(bytes.count)
                case .blob(_, let size): size
                }
            let header = TarHeader.bytes(path, .file(size: length, mode: 0o644))
            let padding = TarHeader.padding(after: length)
            parts.append(.bytes(header))
            switch content {
            case .bytes(let bytes): parts.append(.bytes(bytes))
            case .blob(let digest, let size): parts.append(.blob(digest, size: size))
            }
            parts.append(.bytes(padding))
            size = size.clampedSum(Int64(header.count + padding.count)).clampedSum(length)
        }
        parts.append(.bytes(TarHeader.end))
        self.parts = parts
        self.size = size.clampedSum(Int64(TarHeader.end.count))
    }

    fileprivate enum Content {
        case bytes([UInt8])
        case blob(Digest, size: Int64)
    }
}

/// All bytes, in order. Reading throws `failed` when something is damaged.
extension ImageExport: AsyncSequence {
    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var parts: ArraySlice<Part>
        fileprivate var reader: BlobReader?
        fileprivate let repository: ArtifactRepository

        package mutating func next() async throws -> ByteBuffer? {
            while true {
                if let bytes = try await reader?.next() { return bytes }
                reader = nil
                switch parts.popFirst() {
                case nil: return nil
                case .bytes(let bytes)?: if !bytes.isEmpty { return ByteBuffer(bytes: bytes) }
                case .blob(let digest, _)?: reader = try await repository.open(digest)
                }
            }
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(parts: parts[...], repository: repository) }
}

extension ArtifactRepository {
    /// The image of a version as an archive.
    func export(_ tag: ArtifactTagRecord, as name: String? = nil) async throws(OrchError) -> ImageExport {
        let (digest, manifest) = try await ownPlatform(of: tag.digest)
        guard let config = manifest.config else { throw BlobStore.missing(tag.digest) }
        var known = Set<Digest>()
        var files: [(String, ImageExport.Content)] = []
        for blob in manifest.blobs where known.insert(blob.digest).inserted {
            files.append(("blobs/sha256/\(blob.digest.hex)", .blob(blob.digest, size: blob.size)))
        }
        let size = store.size(of: digest) ?? 0
        files.append(("blobs/sha256/\(digest.hex)", .blob(digest, size: size)))
        let called = name ?? "\(tag.name):\(tag.version)"
        let descriptor = ContentDescriptor(
            manifest.kindOfContent, digest, size: size,
            annotations: [AnnotationKey.imageName: called, AnnotationKey.referenceName: called])
        files.append(("index.json", .bytes(try Manifest(index: [descriptor]).encoded)))
        files.append(("oci-layout", .bytes(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))))
        let layers = (manifest.layers ?? []).map { "\"blobs/sha256/\($0.digest.hex)\"" }.joined(separator: ",")
        files.append(
            (
                "manifest.json",
                .bytes(
                    Array(
                        #"[{"Config":"blobs/sha256/\#(config.digest.hex)","RepoTags":["\#(called)"],"Layers":[\#(layers)]}]"#
                            .utf8))
            ))
        return ImageExport(name: called, digest: tag.digest, files, self)
    }

    /// The image that a module names, where the repository has it, under a name that engines keep for just this content.
    ///
    /// - Parameter image: with a digest, as modules have it that were deployed from here.
    package func export(image: String) async throws(OrchError) -> ImageExport? {
        guard let reference = try? ArtifactReference(checking: image), let digest = reference.digest,
            await content(of: digest) != nil
        else { return nil }
        let version = reference.version ?? .latest
        let tag = ArtifactTagRecord(name: reference.name, version: version, digest: digest, at: .now())
        return try await export(
            tag,
            as: "orch.local/\(reference.name.rawValue.lowercased()):\(version.rawValue.prefix(100))-\(digest.short)")
    }
}
