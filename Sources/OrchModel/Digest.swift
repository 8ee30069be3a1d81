/// The address of content: `sha256:` and the 64 hexadecimal digits of its SHA-256, in lower case.
package struct Digest: RawRepresentable, Hashable, Codable, Sendable, Comparable, CustomStringConvertible {
    private static let prefix = "sha256:"
    private static let digits = 64

    /// The digits alone.
    package let hex: String

    package init?(rawValue: String) {
        guard rawValue.hasPrefix(Self.prefix) else { return nil }
        self.init(hex: String(rawValue.dropFirst(Self.prefix.count)))
    }

    package init?(hex: String) {
        guard hex.utf8.count == Self.digits,
            hex.utf8.allSatisfy({ $0.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) })
        else { return nil }
        self.hex = hex
    }

    /// - Parameter hash: the 32 bytes of a SHA-256.
    package init(hash: some Sequence<UInt8>) {
        let alphabet = Array("0123456789abcdef".utf8)
        hex = String(decoding: hash.flatMap { [alphabet[Int($0 >> 4)], alphabet[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// - Throws: `invalidRequest` that says what a digest is.
    package init(checking text: String) throws(OrchError) {
        guard let digest = Digest(rawValue: text) else {
            throw OrchError(
                .invalidRequest,
                "\(String(text.prefix(80)).quotedOneLine) is no digest: it is 'sha256:' and 64 hexadecimal digits")
        }
        self = digest
    }

    package init(from decoder: any Decoder) throws {
        try self.init(checking: decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    package var rawValue: String { Self.prefix + hex }
    package var description: String { rawValue }
    /// Enough of it for people.
    package var short: String { String(hex.prefix(12)) }

    package static func < (left: Digest, right: Digest) -> Bool { left.hex < right.hex }
}
