import OrchModel

/// Where somebody is in the web interface: a path, and what was chosen there. Whoever is given it sees the same.
package struct PageAddress: Sendable {
    package let path: String
    private let query: [String: String]

    /// - Parameter query: names and values, decoded.
    package init(path: String, query: [String: String]) {
        self.path = path
        self.query = query.filter { !$0.value.isEmpty }
    }

    /// An address as a browser shows it, without its host.
    package init(_ text: String) {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts.first.map(String.init) ?? ""
        self.init(path: path.isEmpty ? "/" : path, query: parts.count > 1 ? Self.fields(of: parts[1]) : [:])
    }

    /// The fields of a form or a query as browsers write them (WHATWG URL, 5.1). Of several with one name the last counts.
    package static func fields(of text: some StringProtocol) -> [String: String] {
        var fields: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let words = halves.map { String($0.map { $0 == "+" ? " " : $0 }).percentDecoded }
            fields[words[0]] = words.count > 1 ? words[1] : ""
        }
        return fields
    }

    /// What was chosen; `nil` for nothing.
    subscript(_ name: String) -> String? { query[name] }

    var parts: [String] { path.split(separator: "/").map { String($0).percentDecoded } }

    /// The same place with another choice; `nil` takes one away.
    func with(_ changes: [String: String?]) -> String {
        var query = query
        for (name, value) in changes { query[name] = value }
        let pairs = query.sorted { $0.key < $1.key }.map { "\($0.key.percentEncoded)=\($0.value.percentEncoded)" }
        return pairs.isEmpty ? path : "\(path)?\(pairs.joined(separator: "&"))"
    }

    /// The whole of it.
    var text: String { with([:]) }
}
