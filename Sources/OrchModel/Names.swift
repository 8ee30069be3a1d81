/// A name that a person chose and that becomes a folder, a topic or a part of an address.
///
/// Letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, at most 63 characters: the common part of
/// DNS labels, Kafka topic names and file names.
package protocol CheckedName: RawRepresentable<String>, Hashable, Codable, Sendable, CustomStringConvertible,
    CodingKeyRepresentable, Comparable
{
    /// What it names, for the error message.
    static var noun: String { get }
    static var longest: Int { get }
    /// What a well-formed name is, for the error message.
    static var rule: String { get }
    static func isWellFormed(_ text: String) -> Bool
    init(unchecked: String)
}

extension CheckedName {
    package static var longest: Int { 63 }

    package static var rule: String {
        "use 1 to \(longest) letters, digits, '-', '_' or '.', beginning with a letter or a digit"
    }

    package init?(rawValue: String) {
        guard Self.isWellFormed(rawValue) else { return nil }
        self.init(unchecked: rawValue)
    }

    /// - Throws: `invalidRequest` that says what a well-formed name is.
    package init(checking text: String) throws(OrchError) {
        guard let name = Self(rawValue: text) else {
            let shown = text.count > 40 ? "\(text.prefix(40))…" : text
            throw OrchError(.invalidRequest, "\(shown.quotedOneLine) is no \(Self.noun): \(Self.rule)")
        }
        self = name
    }

    package init(from decoder: any Decoder) throws {
        try self.init(checking: decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    package var description: String { rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    package static func isWellFormed(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= longest, first.isAlphanumeric else { return false }
        return text.utf8.allSatisfy {
            $0.isAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }
}

extension UInt8 {
    package var isAlphanumeric: Bool {
        isDigit || (self | 0x20) >= UInt8(ascii: "a") && (self | 0x20) <= UInt8(ascii: "z")
    }
    package var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
}

extension String {
    /// The text in quotes with control characters escaped, so that it stays on one line of a message.
    package var quotedOneLine: String {
        var quoted = "'"
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                quoted += "\\u{\(String(scalar.value, radix: 16))}"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "'"
    }
}

/// The name of a module, and of the service that deploying it makes.
package struct ModuleName: CheckedName {
    package static let noun = "module name"
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }
}

/// One copy of a module, kept over crashes and restarts in place: `<module>-<six letters or digits>`.
package struct InstanceID: CheckedName {
    package static let noun = "instance id"
    package static let longest = 70
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }

    /// A new id for an instance of `module`, drawn from 32^6 possible ones.
    package static func random(of module: ModuleName, using generator: inout some RandomNumberGenerator) -> InstanceID {
        InstanceID(unchecked: "\(module)-\(randomSuffix(using: &generator))")
    }

    /// The module that it is an instance of.
    package var module: ModuleName { ModuleName(unchecked: String(rawValue.dropLast(7))) }
}

/// One piece of work on a service that can be waited for.
package struct DeploymentID: CheckedName {
    package static let noun = "deployment id"
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }

    package static func random(using generator: inout some RandomNumberGenerator) -> DeploymentID {
        DeploymentID(unchecked: "d-\(randomSuffix(using: &generator))\(randomSuffix(using: &generator))")
    }
}

/// The name of a Kafka topic (Kafka itself allows up to 249 characters).
package struct TopicName: CheckedName {
    package static let noun = "topic name"
    package static let longest = 249
    package let rawValue: String
    package init(unchecked: String) { rawValue = unchecked }

    package static let logging = TopicName(unchecked: "Logging")
    package static let requestManager = TopicName(unchecked: "Request_Manager")
    package static let deployer = TopicName(unchecked: "Deployer")
    package static let runtimeManager = TopicName(unchecked: "Runtime_Manager")
    package static let repositoryManager = TopicName(unchecked: "Repository_Manager")
    package static let loadBalancer = TopicName(unchecked: "Load_Balancer")
    package static let events = TopicName(unchecked: "Events")

    /// The topics of the control plane itself; no module may log to one.
    package static let reserved: [TopicName] = [
        logging, requestManager, deployer, runtimeManager, repositoryManager, loadBalancer, events,
    ]
}

/// Six characters of Crockford's alphabet in lower case, which leaves out the letters i, l, o and u.
private func randomSuffix(using generator: inout some RandomNumberGenerator) -> String {
    let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")
    return String((0..<6).map { _ in alphabet[Int.random(in: 0..<32, using: &generator)] })
}
