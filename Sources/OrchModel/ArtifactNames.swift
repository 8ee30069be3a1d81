/// The name of an artifact in the repository, as in `shop` or `team/shop`.
///
/// Parts of letters and digits with `-`, `_` and `.` between them, separated by slashes: what image registries allow (OCI
/// Distribution Specification 1.1, "Pulling manifests"), and capital letters besides, which module names may have.
package struct ArtifactName: CheckedName {
    package static let noun = "artifact name"
    package static let longest = 255
    package static let rule =
        "use letters and digits with '-', '_' or single '.' between them, in parts that '/' separates, at most 255 characters"
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }
    package init(_ module: ModuleName) { rawValue = module.rawValue }

    package static func isWellFormed(_ text: String) -> Bool {
        guard text.utf8.count <= longest else { return false }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.utf8.first, let last = part.utf8.last, first.isAlphanumeric, last.isAlphanumeric
            else { return false }
            return part.utf8.allSatisfy {
                $0.isAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
            } && !part.contains("..")
        }
    }

    /// The name that something gets by the name of its file.
    package init?(fileName: String) {
        let allowed = fileName.unicodeScalars.map { scalar in
            UInt8(exactly: scalar.value).map { $0.isAlphanumeric || "-_.".utf8.contains($0) } == true
                ? Character(scalar) : "-"
        }
        self.init(rawValue: String(String(allowed).trimmed { !$0.isAlphanumeric }))
    }
}

/// The version of an artifact, which image registries call a tag.
package struct ArtifactVersion: CheckedName {
    package static let noun = "version of an artifact"
    package static let longest = 128
    package static let rule = "use 1 to 128 letters, digits, '-', '_' or '.', beginning with a letter, a digit or '_'"
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }

    /// The one version that may move: pushed again, it names the newer content.
    package static let latest = ArtifactVersion(unchecked: "latest")

    package static func isWellFormed(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= longest,
            first.isAlphanumeric || first == UInt8(ascii: "_")
        else { return false }
        return text.utf8.allSatisfy {
            $0.isAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }
}

/// `NAME[:VERSION][@DIGEST]`.
package struct ArtifactReference: Hashable, Sendable, CustomStringConvertible {
    package var name: ArtifactName
    package var version: ArtifactVersion?
    package var digest: Digest?

    package init(_ name: ArtifactName, version: ArtifactVersion? = nil, digest: Digest? = nil) {
        self.name = name
        self.version = version
        self.digest = digest
    }

    /// - Throws: `invalidRequest` that says which part is wrong.
    package init(checking text: String) throws(OrchError) {
        var rest = text[...]
        if let at = rest.firstIndex(of: "@") {
            digest = try Digest(checking: String(rest[rest.index(after: at)...]))
            rest = rest[..<at]
        }
        if let colon = rest.lastIndex(of: ":") {
            version = try ArtifactVersion(checking: String(rest[rest.index(after: colon)...]))
            rest = rest[..<colon]
        }
        name = try ArtifactName(checking: String(rest))
    }

    package var description: String {
        name.rawValue + (version.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }
}

extension StringProtocol {
    /// Without the bytes at both ends that are meant.
    fileprivate func trimmed(where isUnwanted: (UInt8) -> Bool) -> Substring {
        var rest = Substring(self)
        while let first = rest.utf8.first, isUnwanted(first) { rest.removeFirst() }
        while let last = rest.utf8.last, isUnwanted(last) { rest.removeLast() }
        return rest
    }
}
