package import OrchModel

/// Looks into single lines, for whoever has no log to select from.
package struct LineMatcher: Sendable {
    private let pattern: LinePattern?
    private let fields: [FieldFilter]

    /// - Parameters:
    ///   - pattern: a regular expression; empty for any text.
    ///   - fields: of JSON and logfmt lines; all of them must have their values.
    /// - Throws: `invalidRequest` for a pattern that is none.
    package init(pattern: String, fields: [String: String]) throws(OrchError) {
        self.pattern = pattern.isEmpty ? nil : try LinePattern(pattern)
        self.fields = fields.sorted { $0.key < $1.key }.map {
            FieldFilter(LogQuery.Field(key: $0.key, value: $0.value))
        }
    }

    /// By one task at a time.
    package func matches(_ line: String) -> Bool {
        var line = line
        return line.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            return pattern?.matches(bytes) ?? true && fields.allSatisfy { $0.matches(bytes) }
        }
    }

    /// A line without what varies from one to the next, such as numbers and times.
    package static func shape(of line: String) -> String { VariableMask.words(of: line).joined(separator: " ") }
}
