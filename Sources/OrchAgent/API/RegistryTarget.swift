import HTTPTypes
import OrchModel

/// What a path of the registry's API means (OCI Distribution Specification 1.1, "Endpoints").
enum RegistryTarget: Equatable {
    case root
    case catalog
    case versions(ArtifactName)
    case blob(ArtifactName, Digest)
    case uploads(ArtifactName)
    case upload(ArtifactName, id: String)
    case manifest(ArtifactReference)
    case referrers(ArtifactName, Digest)

    /// - Parameter parts: of the path behind `/v2/`.
    /// - Throws: ``RegistryError`` for what is no such path.
    init(_ parts: [String]) throws {
        let parts = parts.filter { !$0.isEmpty }
        if parts.isEmpty {
            self = .root
        } else if parts == ["_catalog"] {
            self = .catalog
        } else if parts.suffix(2) == ["tags", "list"] {
            self = .versions(try Self.name(parts.dropLast(2)))
        } else if parts.suffix(2) == ["blobs", "uploads"] {
            self = .uploads(try Self.name(parts.dropLast(2)))
        } else if parts.count > 3, parts.suffix(3).prefix(2) == ["blobs", "uploads"] {
            self = .upload(try Self.name(parts.dropLast(3)), id: parts[parts.count - 1])
        } else if parts.count > 2 {
            let (name, last) = (try Self.name(parts.dropLast(2)), parts[parts.count - 1])
            switch parts[parts.count - 2] {
            case "blobs": self = .blob(name, try Self.digest(last))
            case "referrers": self = .referrers(name, try Self.digest(last))
            case "manifests":
                if last.contains(":") {
                    self = .manifest(ArtifactReference(name, digest: try Self.digest(last)))
                } else if let version = ArtifactVersion(rawValue: last) {
                    self = .manifest(ArtifactReference(name, version: version))
                } else {
                    throw RegistryError(.badRequest, "MANIFEST_INVALID", "\(last.quotedOneLine) is no tag")
                }
            default: throw RegistryError(.notFound, "UNSUPPORTED", "there is nothing here")
            }
        } else {
            throw RegistryError(.notFound, "UNSUPPORTED", "there is nothing here")
        }
    }

    private static func name(_ parts: some Sequence<String>) throws -> ArtifactName {
        let text = parts.joined(separator: "/")
        guard let name = ArtifactName(rawValue: text) else {
            throw RegistryError(
                .badRequest, "NAME_INVALID",
                "\(String(text.prefix(80)).quotedOneLine) is no \(ArtifactName.noun): \(ArtifactName.rule)")
        }
        return name
    }

    static func digest(_ text: String) throws -> Digest {
        guard let digest = Digest(rawValue: text) else {
            throw RegistryError(.badRequest, "DIGEST_INVALID", "only digests of the form sha256:... are known here")
        }
        return digest
    }
}
