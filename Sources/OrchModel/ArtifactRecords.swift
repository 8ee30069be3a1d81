/// A version of an artifact and the manifest that it stands for.
package struct ArtifactTagRecord: Hashable, Sendable {
    package var name: ArtifactName
    package var version: ArtifactVersion
    package var digest: Digest
    package var at: Timestamp

    package init(name: ArtifactName, version: ArtifactVersion, digest: Digest, at: Timestamp) {
        self.name = name
        self.version = version
        self.digest = digest
        self.at = at
    }
}

/// A manifest that belongs to an artifact, with a version or without.
package struct ArtifactManifestRecord: Hashable, Sendable {
    package var name: ArtifactName
    package var digest: Digest
    package var at: Timestamp

    package init(name: ArtifactName, digest: Digest, at: Timestamp) {
        self.name = name
        self.digest = digest
        self.at = at
    }
}
