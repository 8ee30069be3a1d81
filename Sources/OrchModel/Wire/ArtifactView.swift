/// A version of an artifact in the repository.
package struct ArtifactView: Codable, Sendable {
    package enum Kind: String, Codable, Sendable {
        /// A module: its module file, its program, configuration and UI.
        case bundle
        /// A container image.
        case image
        /// Any other file.
        case file
        /// Something that a client of the registry has pushed which has no meaning here.
        case other
    }

    package var name: ArtifactName
    package var version: ArtifactVersion
    package var kind: Kind
    package var digest: Digest
    /// Bytes of all that belongs to it; what it shares with others counts.
    package var size: Int64
    package var pushedAt: Timestamp
    package var description: String
    /// What it is called under `/v1/downloads/`.
    package var download: String
    /// A service, an instance or a version to go back to needs it.
    package var isInUse: Bool

    package init(
        name: ArtifactName, version: ArtifactVersion, kind: Kind, digest: Digest, size: Int64, pushedAt: Timestamp,
        description: String, download: String, isInUse: Bool
    ) {
        self.name = name
        self.version = version
        self.kind = kind
        self.digest = digest
        self.size = size
        self.pushedAt = pushedAt
        self.description = description
        self.download = download
        self.isInUse = isInUse
    }

    package enum CodingKeys: String, CodingKey {
        case name, version, kind, digest, size, description, download
        case pushedAt = "pushed_at"
        case isInUse = "in_use"
    }
}

/// Makes an artifact of content that was uploaded.
package struct PushRequest: Codable, Sendable {
    /// The content, an archive or any file.
    package var digest: Digest
    /// Of the file that it was, which tells the name where nothing else does.
    package var fileName: String
    /// Instead of those that the content has.
    package var name: ArtifactName?
    package var version: ArtifactVersion?
    /// Whether a version that is there gives way.
    package var force: Bool

    package init(digest: Digest, fileName: String, name: ArtifactName?, version: ArtifactVersion?, force: Bool) {
        self.digest = digest
        self.fileName = fileName
        self.name = name
        self.version = version
        self.force = force
    }

    package enum CodingKeys: String, CodingKey {
        case digest, name, version, force
        case fileName = "file_name"
    }
}

/// What was freed.
package struct PruneView: Codable, Sendable {
    package var blobs: Int
    package var bytes: Int64

    package init(blobs: Int, bytes: Int64) {
        self.blobs = blobs
        self.bytes = bytes
    }
}

/// Makes an artifact of an image that an engine builds from content that was uploaded.
package struct BuildRequest: Codable, Sendable {
    /// A tar archive of the files that it is built from.
    package var context: Digest
    /// Path of the Dockerfile in it.
    package var file: String
    package var name: ArtifactName
    package var version: ArtifactVersion
    package var runtime: RuntimeKind
    /// Values for the Dockerfile's `ARG`s.
    package var arguments: [String: String]
    /// Whether a version that is there gives way.
    package var force: Bool

    package init(
        context: Digest, file: String, name: ArtifactName, version: ArtifactVersion, runtime: RuntimeKind,
        arguments: [String: String], force: Bool
    ) {
        self.context = context
        self.file = file
        self.name = name
        self.version = version
        self.runtime = runtime
        self.arguments = arguments
        self.force = force
    }
}
