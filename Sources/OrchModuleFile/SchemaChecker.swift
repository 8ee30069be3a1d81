import OrchModel
import Yams

/// Checks a YAML tree against a schema such as ``ModuleSchema``, and turns it into JSON with every default filled in, to be
/// decoded from. Goes on after a mistake, so that one run shows all of them.
struct SchemaChecker {
    let file: String
    /// What the whole is, for messages, as in `a module file`.
    let subject: String
    private(set) var diagnostics: [Diagnostic] = []

    init(file: String, subject: String) {
        self.file = file
        self.subject = subject
    }

    mutating func check(_ root: Node, _ keys: [ModuleSchema.Key]) -> JSONValue {
        value(of: root, .object(keys), path: "")
    }

    private mutating func report(_ node: Node, _ message: String) {
        diagnostics.append(
            Diagnostic(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, message: message))
    }

    private mutating func value(of node: Node, _ shape: ModuleSchema.Shape, path: String) -> JSONValue {
        let found = convert(node, shape, path: path)
        if let found { return found }
        let subject = path.isEmpty ? subject : "'\(path)'"
        report(node, "\(subject) must be \(ModuleSchema.expectation(of: shape)), not \(Self.describe(node))")
        return .null
    }

    /// `nil` when the node has another shape.
    private mutating func convert(_ node: Node, _ shape: ModuleSchema.Shape, path: String) -> JSONValue? {
        switch shape {
        case .string: return Self.text(node).map(JSONValue.string)
        case .name(let longest):
            guard let text = Self.text(node), text.utf8.count <= longest,
                ModuleName(rawValue: String(text.prefix(63))) != nil,
                TopicName(rawValue: text) != nil
            else { return nil }
            return .string(text)
        case .integer(let range):
            guard let number = node.int, range.contains(number) else { return nil }
            return .integer(Int64(number))
        case .number(let range):
            guard let number = node.float, range.contains(number) else { return nil }
            return .number(number)
        case .boolean: return node.bool.map(JSONValue.bool)
        case .duration(let range):
            guard let text = Self.text(node), let span = TimeSpan(text), range.contains(span) else { return nil }
            return .string(span.description)
        case .size:
            guard let text = Self.text(node), let size = ByteSize(text) else { return nil }
            return .integer(size.bytes)
        case .amount:
            guard let text = Self.text(node), let number = Int(text.hasSuffix("%") ? String(text.dropLast()) : text),
                (0...1000).contains(number)
            else { return nil }
            return .string(text)
        case .choice(let words): return choice(node, words, path: path)
        case .list(let element):
            guard let sequence = node.sequence else { return nil }
            return .array(sequence.enumerated().map { value(of: $0.element, element, path: "\(path)[\($0.offset)]") })
        case .words:
            if let sequence = node.sequence {
                guard !sequence.isEmpty else { return nil }
                return .array(sequence.map { value(of: $0, .string(example: "--port"), path: path) })
            }
            guard let text = Self.text(node), let words = CommandLineWords.split(text), !words.isEmpty else {
                return nil
            }
            return .array(words.map(JSONValue.string))
        case .map: return map(node, path: path)
        case .object(let keys): return object(node, keys, path: path)
        }
    }

    private mutating func choice(_ node: Node, _ words: [String], path: String) -> JSONValue? {
        guard let text = Self.text(node) else { return nil }
        if words.contains(text) { return .string(text) }
        let hint = nearest(to: text, in: words).map { "; did you mean \($0)?" } ?? ""
        report(node, "'\(path)' must be one of \(words.joined(separator: ", ")), not \(text.quotedOneLine)\(hint)")
        return .string(words[0])
    }

    private mutating func map(_ node: Node, path: String) -> JSONValue? {
        guard let mapping = node.mapping else { return nil }
        var members: [String: JSONValue] = [:]
        for (key, entry) in mapping {
            guard let name = Self.text(key) else {
                report(key, "a key in '\(path)' must be a text")
                continue
            }
            if entry.null != nil {
                members[name] = ""
            } else {
                members[name] = value(of: entry, .string(example: "text"), path: "\(path).\(name)")
            }
        }
        return .object(members)
    }

    private mutating func object(_ node: Node, _ keys: [ModuleSchema.Key], path: String) -> JSONValue? {
        // A key with nothing behind it stands for all defaults.
        guard let mapping = node.null != nil ? Node.Mapping([]) : node.mapping else { return nil }
        var members: [String: JSONValue] = [:]
        for (key, entry) in mapping {
            let name = Self.text(key) ?? ""
            guard let known = keys.first(where: { $0.name == name }) else {
                let hint = nearest(to: name, in: keys.map(\.name)).map { "did you mean '\($0)'?" }
                let place = path.isEmpty ? "" : " in '\(path)'"
                report(
                    key,
                    "unknown key \(name.quotedOneLine)\(place): \(hint ?? "known are \(keys.map(\.name).joined(separator: ", "))")"
                )
                continue
            }
            members[name] = value(of: entry, known.shape, path: path.isEmpty ? name : "\(path).\(name)")
        }
        for key in keys where members[key.name] == nil {
            guard let fallback = key.fallback else {
                report(
                    node,
                    "'\(path.isEmpty ? key.name : "\(path).\(key.name)")' is missing: it must be \(ModuleSchema.expectation(of: key.shape))"
                )
                continue
            }
            members[key.name] = ModuleSchema.completed(fallback, key.shape)
        }
        return .object(members)
    }

    /// Scalars count as texts as they are written: a version 1.10 stays "1.10".
    private static func text(_ node: Node) -> String? {
        guard let scalar = node.scalar, node.null == nil else { return nil }
        return scalar.string
    }

    private static func describe(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): node.null != nil ? "nothing" : String(scalar.string.prefix(60)).quotedOneLine
        case .mapping: "a map"
        case .sequence(let sequence): sequence.isEmpty ? "an empty list" : "a list"
        case .alias: "an alias"
        }
    }
}
