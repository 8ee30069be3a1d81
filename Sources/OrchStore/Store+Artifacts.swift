import GRDB
package import OrchModel

/// Which content the names of artifacts stand for.
extension Store {
    package func artifacts() async throws -> (tags: [ArtifactTagRecord], manifests: [ArtifactManifestRecord]) {
        try await queue.read { database in
            let tags = try Row.fetchAll(
                database, sql: "SELECT name, version, digest, at FROM artifact_tag ORDER BY name, at DESC")
            let manifests = try Row.fetchAll(
                database, sql: "SELECT name, digest, at FROM artifact_manifest ORDER BY name, at DESC")
            return (
                tags.compactMap { row in
                    Digest(rawValue: row["digest"]).map {
                        ArtifactTagRecord(
                            name: ArtifactName(unchecked: row["name"]),
                            version: ArtifactVersion(unchecked: row["version"]), digest: $0,
                            at: Timestamp(nanoseconds: row["at"]))
                    }
                },
                manifests.compactMap { row in
                    Digest(rawValue: row["digest"]).map {
                        ArtifactManifestRecord(
                            name: ArtifactName(unchecked: row["name"]), digest: $0,
                            at: Timestamp(nanoseconds: row["at"])
                        )
                    }
                }
            )
        }
    }

    /// Writes down a manifest, and with it the version that it is from now on.
    package func save(_ manifest: ArtifactManifestRecord, version: ArtifactVersion?) async throws {
        try await queue.write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO artifact_manifest VALUES (?, ?, ?)",
                arguments: [manifest.name.rawValue, manifest.digest.rawValue, manifest.at.nanoseconds])
            guard let version else { return }
            try database.execute(
                sql: "INSERT OR REPLACE INTO artifact_tag VALUES (?, ?, ?, ?)",
                arguments: [
                    manifest.name.rawValue, version.rawValue, manifest.digest.rawValue, manifest.at.nanoseconds,
                ])
        }
    }

    package func removeArtifact(_ name: ArtifactName, version: ArtifactVersion) async throws {
        try await queue.write {
            try $0.execute(
                sql: "DELETE FROM artifact_tag WHERE name = ? AND version = ?",
                arguments: [name.rawValue, version.rawValue])
        }
    }

    /// Forgets manifests, and versions that still stand for them.
    package func removeManifests(_ digests: [Digest], of name: ArtifactName) async throws {
        try await queue.write { database in
            for digest in digests {
                for table in ["artifact_tag", "artifact_manifest"] {
                    try database.execute(
                        sql: "DELETE FROM \(table) WHERE name = ? AND digest = ?",
                        arguments: [name.rawValue, digest.rawValue])
                }
                try database.execute(
                    sql: "DELETE FROM artifact_source WHERE digest = ?", arguments: [digest.rawValue])
            }
        }
    }

    /// The image that was once made of an uploaded archive, with the name and version that the archive gives it.
    package func image(madeOf source: Digest) async throws -> ArtifactReference? {
        try await queue.read { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT digest, name, version FROM artifact_source WHERE source = ?",
                arguments: [source.rawValue])
            guard let row, let digest = Digest(rawValue: row["digest"]) else { return nil }
            return ArtifactReference(
                ArtifactName(unchecked: row["name"]), version: ArtifactVersion(unchecked: row["version"]),
                digest: digest)
        }
    }

    package func note(_ image: ArtifactReference, madeOf source: Digest) async throws {
        try await queue.write {
            try $0.execute(
                sql: "INSERT OR REPLACE INTO artifact_source VALUES (?, ?, ?, ?)",
                arguments: [
                    source.rawValue, image.digest?.rawValue ?? "", image.name.rawValue, image.version?.rawValue ?? "",
                ])
        }
    }
}
