import FoundationEssentials
import OrchModel

/// An image that an engine has built for us, without what only tells when and by which container: built again from the same
/// files, it is the same.
struct BuiltImage {
    private static let epoch: JSONValue = "1970-01-01T00:00:00Z"
    /// Members of the configuration that engines add of their own (Docker Image Specification 1.2, "Image JSON Description").
    private static let accidental = ["container", "container_config", "docker_version", "id", "parent"]
    private static let accidentalSettings = ["Hostname", "Image"]

    let store: BlobStore

    /// - Returns: the digest of the manifest without all that.
    func settled(_ digest: Digest) throws -> Digest {
        var manifest = try Manifest(decoding: store.read(digest, upTo: Manifest.largest))
        guard let config = manifest.config, !manifest.isIndex else { return digest }
        let bytes = try store.read(config.digest, upTo: Manifest.largest)
        guard case .object(var members) = try JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
            return digest
        }
        for name in Self.accidental { members[name] = nil }
        if case .object(var settings)? = members["config"] {
            for name in Self.accidentalSettings { settings[name] = nil }
            members["config"] = .object(settings)
        }
        members["created"] = Self.epoch
        if case .array(let steps)? = members["history"] {
            members["history"] = .array(Self.inOrder(steps.map(Self.settled)))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let settled = Array(try encoder.encode(JSONValue.object(members)))
        manifest.config = ContentDescriptor(config.mediaType, try store.write(settled), size: Int64(settled.count))
        manifest.annotations = nil
        return try store.write(manifest.encoded)
    }

    /// Podman takes the labels that it is given besides the Dockerfile in any order; the result is the same.
    private static func inOrder(_ steps: [JSONValue]) -> [JSONValue] {
        var ordered: [JSONValue] = []
        var labels: [(text: String, step: JSONValue)] = []
        func takeLabels() {
            ordered += labels.sorted { $0.text < $1.text }.map(\.step)
            labels = []
        }
        for step in steps {
            if case .object(let members) = step, case .string(let text)? = members["created_by"],
                text.contains(" LABEL ")
            {
                labels.append((text, step))
            } else {
                takeLabels()
                ordered.append(step)
            }
        }
        takeLabels()
        return ordered
    }

    private static func settled(_ step: JSONValue) -> JSONValue {
        guard case .object(var members) = step else { return step }
        members["created"] = epoch
        // Which image it begins with, by a name that changes with each build of that one.
        members["comment"] = nil
        return .object(members)
    }
}
