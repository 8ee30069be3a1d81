import FoundationEssentials
import OrchModel

/// What the media types of the repository's content are called.
enum ContentType {
    static let manifest = "application/vnd.oci.image.manifest.v1+json"
    static let index = "application/vnd.oci.image.index.v1+json"
    static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
    static let imageConfig = "application/vnd.oci.image.config.v1+json"
    static let dockerConfig = "application/vnd.docker.container.image.v1+json"
    static let layer = "application/vnd.oci.image.layer.v1.tar"
    /// Of an artifact that has no configuration (OCI Image Specification 1.1, "Guidance for an Empty Descriptor").
    static let empty = "application/vnd.oci.empty.v1+json"
    static let bundle = "application/vnd.orch.bundle.v1+json"
    static let bundleFiles = "application/vnd.orch.bundle.files.v1.tar"
    static let file = "application/vnd.orch.file.v1"

    static let manifests: Set<String> = [manifest, dockerManifest]
    static let indexes: Set<String> = [index, dockerList]
}

/// Names of annotations (OCI Image Specification 1.1, "Pre-Defined Annotation Keys").
enum AnnotationKey {
    static let title = "org.opencontainers.image.title"
    static let description = "org.opencontainers.image.description"
    static let referenceName = "org.opencontainers.image.ref.name"
    /// What Docker and containerd write into archives.
    static let imageName = "io.containerd.image.name"
}

/// A pointer to content (OCI Image Specification 1.1, "OCI Content Descriptors").
struct ContentDescriptor: Codable, Hashable {
    struct Platform: Codable, Hashable {
        var architecture: String?
        var os: String?
    }

    var mediaType: String
    var digest: Digest
    var size: Int64
    var annotations: [String: String]?
    var platform: Platform?
    var artifactType: String?
    /// Where content is that registries need not have.
    var urls: [String]?

    init(_ mediaType: String, _ digest: Digest, size: Int64, annotations: [String: String]? = nil) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.annotations = annotations
    }
}

/// What an artifact consists of (OCI Image Specification 1.1, "Image Manifest" and "Image Index"): a manifest has a
/// configuration and layers, an index has manifests.
struct Manifest: Codable {
    /// Bytes that one may have: what registries must take at least (OCI Distribution Specification 1.1, "Pushing Manifests").
    static let largest = 4 << 20

    var schemaVersion = 2
    var mediaType: String?
    var artifactType: String?
    var config: ContentDescriptor?
    var layers: [ContentDescriptor]?
    var manifests: [ContentDescriptor]?
    /// The manifest that this one says something about.
    var subject: ContentDescriptor?
    var annotations: [String: String]?

    init(artifactType: String? = nil, config: ContentDescriptor, layers: [ContentDescriptor]) {
        mediaType = ContentType.manifest
        self.artifactType = artifactType
        self.config = config
        self.layers = layers
    }

    init(index manifests: [ContentDescriptor]) {
        mediaType = ContentType.index
        self.manifests = manifests
    }

    /// - Throws: ``OrchError`` `invalidRequest` when it is none.
    init(decoding bytes: some Sequence<UInt8>) throws(OrchError) {
        do {
            self = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
        } catch {
            throw OrchError(.invalidRequest, "this is no manifest of an image or artifact", cause: error)
        }
        guard schemaVersion == 2, manifests != nil || config != nil else {
            throw OrchError(
                .invalidRequest, "this manifest is of a version or kind that is not known: it must have schemaVersion 2"
            )
        }
    }

    var isIndex: Bool { manifests != nil }

    /// What it is, also where it does not say so itself.
    var kindOfContent: String { mediaType ?? (isIndex ? ContentType.index : ContentType.manifest) }

    /// Blobs that must be there.
    var blobs: [ContentDescriptor] {
        (config.map { [$0] } ?? []) + (layers ?? []).filter { $0.urls?.isEmpty ?? true }
    }

    /// All that it needs.
    var references: [ContentDescriptor] { blobs + (manifests ?? []) }

    var size: Int64 {
        blobs.reduce(0) { $0.clampedSum($1.mediaType == ContentType.empty ? 0 : max(0, $1.size)) }
    }

    var kind: ArtifactView.Kind {
        if artifactType == ContentType.bundle { return .bundle }
        if artifactType == ContentType.file { return .file }
        if isIndex { return .image }
        return [ContentType.imageConfig, ContentType.dockerConfig].contains(config?.mediaType) ? .image : .other
    }

    /// Equal manifests have equal bytes.
    var encoded: [UInt8] {
        get throws(OrchError) {
            do {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                return Array(try encoder.encode(self))
            } catch {
                throw OrchError(.failed, "a manifest cannot be written", cause: error)
            }
        }
    }
}

extension Int64 {
    /// The sum, or the largest number there is: what others say of sizes may be anything.
    func clampedSum(_ other: Int64) -> Int64 {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}
