package import OrchModel
import Yams

/// Reads a YAML file that a schema describes.
package enum SchemaFile {
    /// - Parameters:
    ///   - path: for messages.
    ///   - subject: what the file is, as in `a module file`.
    /// - Returns: what it says, with every default filled in.
    /// - Throws: ``ModuleFileError`` with every mistake and its place.
    package static func read(_ text: String, path: String, subject: String, keys: [ModuleSchema.Key])
        throws(ModuleFileError) -> JSONValue
    {
        func failure(_ line: Int, _ column: Int, _ message: String) -> ModuleFileError {
            ModuleFileError(diagnostics: [Diagnostic(file: path, line: line, column: column, message: message)])
        }
        guard text.utf8.count <= ModuleFile.largest else {
            throw failure(1, 1, "\(subject) has at most \(ByteSize(bytes: Int64(ModuleFile.largest)))")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            let place = Self.place(of: error)
            throw failure(place.line, place.column, "no valid YAML: \(place.problem)")
        } catch {
            throw failure(1, 1, "no valid YAML: \(error)")
        }
        let required = keys.filter { $0.fallback == nil }.map { "'\($0.name)'" }
        guard let root else {
            let needs = required.isEmpty ? "" : ": it needs at least \(required.joined(separator: ", "))"
            throw failure(1, 1, "\(subject) is empty\(needs)")
        }
        var checker = SchemaChecker(file: path, subject: subject)
        let json = checker.check(root, keys)
        guard checker.diagnostics.isEmpty else { throw ModuleFileError(diagnostics: checker.diagnostics) }
        return json
    }

    private static func place(of error: YamlError) -> (line: Int, column: Int, problem: String) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            (mark.line, mark.column, problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            (context.mark.line, context.mark.column, "'\(duplicates.last ?? "")' is given twice")
        default: (1, 1, "\(error)")
        }
    }
}
