/// A mistake in a file, at its place; both count from 1.
package struct FileMistake: Codable, Sendable, Equatable {
    package var line: Int
    package var column: Int
    package var message: String

    package init(line: Int, column: Int, message: String) {
        self.line = line
        self.column = column
        self.message = message
    }
}
