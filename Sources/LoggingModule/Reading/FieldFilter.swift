import COrchSystem
import FoundationEssentials
import OrchModel

/// Whether lines of JSON or logfmt have a field with a value.
struct FieldFilter {
    private let path: [String]
    private let key: [UInt8]
    private let value: [UInt8]
    private let text: String

    init(_ field: LogQuery.Field) {
        path = field.key.split(separator: ".").map(String.init)
        key = Array("\(field.key)=".utf8)
        value = Array(field.value.utf8)
        text = field.value
    }

    /// Whether no line in these bytes can match.
    func isNowhere(in bytes: UnsafeRawBufferPointer) -> Bool {
        path.last.map { bytes.find(Array($0.utf8)) == nil } ?? false
    }

    func matches(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let first = line.first(where: { $0 != UInt8(ascii: " ") }) else { return false }
        return first == UInt8(ascii: "{") ? matchesJSON(line) : matchesLogfmt(line)
    }

    private func matchesJSON(_ line: UnsafeRawBufferPointer) -> Bool {
        // Most lines do not even have the last name of the key in them.
        guard let last = path.last, line.find(Array(last.utf8)) != nil,
            let object = try? JSONDecoder().decode(JSONValue.self, from: Data(line))
        else { return false }
        if case .object(let members) = object, let flat = members[path.joined(separator: ".")] { return isEqual(flat) }
        var current = object
        for name in path {
            guard case .object(let members) = current, let next = members[name] else { return false }
            current = next
        }
        return isEqual(current)
    }

    private func isEqual(_ found: JSONValue) -> Bool {
        switch found {
        case .string(let found): found == text
        case .integer(let found): Int64(text) == found
        case .number(let found): Double(text) == found
        case .bool(let found): text == (found ? "true" : "false")
        case .null: text == "null"
        case .array, .object: false
        }
    }

    /// `key=value` or `key="value"` at the beginning or behind a space.
    private func matchesLogfmt(_ line: UnsafeRawBufferPointer) -> Bool {
        var from = 0
        while let place = UnsafeRawBufferPointer(rebasing: line[from...]).find(key).map({ $0 + from }) {
            from = place + key.count
            guard place == 0 || line[place - 1] == UInt8(ascii: " ") else { continue }
            let rest = UnsafeRawBufferPointer(rebasing: line[from...])
            let isQuoted = rest.first == UInt8(ascii: "\"")
            let end: UInt8 = isQuoted ? UInt8(ascii: "\"") : UInt8(ascii: " ")
            let found = rest.dropFirst(isQuoted ? 1 : 0).prefix { $0 != end }
            if found.elementsEqual(value) { return true }
        }
        return false
    }
}

extension UnsafeRawBufferPointer {
    /// Where `needle` begins first.
    func find(_ needle: [UInt8]) -> Int? {
        guard let base = baseAddress, !needle.isEmpty else { return needle.isEmpty ? 0 : nil }
        return needle.withUnsafeBytes { needle in
            needle.baseAddress.flatMap { orch_find(base, count, $0, needle.count) }.map { $0 - base }
        }
    }
}
