import OrchModel

/// Writes JSON as YAML: block style, texts in quotes wherever they could be taken for something else.
enum YAMLText {
    static func text(of value: JSONValue) -> String { lines(value).joined(separator: "\n") }

    private static func lines(_ value: JSONValue) -> [String] {
        switch value {
        case .object(let members) where !members.isEmpty:
            members.sorted { $0.key < $1.key }.flatMap { key, member in entry("\(scalar(key)):", member, indent: "  ") }
        case .array(let elements) where !elements.isEmpty:
            elements.flatMap { element in
                let inner = lines(element)
                return ["- \(inner[0])"] + inner.dropFirst().map { "  \($0)" }
            }
        default: [inline(value)]
        }
    }

    private static func entry(_ head: String, _ value: JSONValue, indent: String) -> [String] {
        switch value {
        case .object(let members) where !members.isEmpty: [head] + lines(value).map { indent + $0 }
        case .array(let elements) where !elements.isEmpty: [head] + lines(value).map { indent + $0 }
        default: ["\(head) \(inline(value))"]
        }
    }

    private static func inline(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .string(let text): scalar(text)
        case .array: "[]"
        case .object: "{}"
        }
    }

    /// Plain where nothing else could be meant.
    private static func scalar(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0.isAlphanumeric || "-_./ ".utf8.contains($0) }
            && text.utf8.first!.isAlphanumeric
            && !text.utf8.first!.isDigit && text.last != " "
            && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
        if isPlain { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\x" + (digits.count == 1 ? "0" : "") + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
