/// A mistake in a module file, at its place.
package struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1.
    package var column: Int
    package var message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// In the form that editors and compilers use.
    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// All mistakes of a module file.
package struct ModuleFileError: Error, Sendable {
    package var diagnostics: [Diagnostic]

    package init(diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}
