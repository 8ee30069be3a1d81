import Crypto
import FoundationEssentials
package import OrchModel

package enum Secrets {
    /// Whether two texts are the same, found out in a time that does not tell where they differ.
    package static func areEqual(_ one: some StringProtocol, _ other: some StringProtocol) -> Bool {
        let (left, right) = (Array(one.utf8), Array(other.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { differences, pair in differences | (pair.0 ^ pair.1) } == 0
    }
}

/// What instances show the agent to prove who they are, and what the agent shows them: `INSTANCE.CODE`, where the code is an HMAC-SHA-256 (RFC 2104) of the instance's id.
package struct InstanceTokens: Sendable {
    private let key: SymmetricKey

    /// - Parameter secret: the agent's own token.
    package init(secret: String) { key = SymmetricKey(data: Data("instances \(secret)".utf8)) }

    package func token(of id: InstanceID) -> String { code(for: id, "instance") }

    /// What the agent shows an instance. Another one, so that whoever listens in its place cannot use it.
    package func agentToken(for id: InstanceID) -> String { code(for: id, "agent") }

    private func code(for id: InstanceID, _ bearer: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Data("\(bearer) \(id)".utf8), using: key)
        return "\(id).\(OrchModel.Digest(hash: code).hex)"
    }

    /// - Returns: `nil` for what is no token of ours.
    package func instance(of token: some StringProtocol) -> InstanceID? {
        guard let dot = token.lastIndex(of: "."), let id = InstanceID(rawValue: String(token[..<dot])),
            Secrets.areEqual(token, self.token(of: id))
        else { return nil }
        return id
    }
}

/// What proves that a message comes from whoever has the key, and is as it was sent.
package enum MessageSignature {
    /// The HMAC-SHA-256 (RFC 2104) of a text, in hexadecimal digits.
    package static func hex(of text: String, key: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Data(text.utf8), using: SymmetricKey(data: Data(key.utf8)))
        return OrchModel.Digest(hash: code).hex
    }
}
