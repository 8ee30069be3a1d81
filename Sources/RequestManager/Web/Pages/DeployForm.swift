package import OrchModel
import OrchSystem

/// What somebody has filled in to deploy something.
package struct DeployForm: Sendable {
    /// What came of it, to show with the form.
    package struct Outcome: Sendable {
        package var plan: PlanView?
        package var mistakes: [FileMistake] = []
        package var refusal: String?

        package init() {}
    }

    /// The names of the fields are those of ``DeployRequest``.
    private let values: [String: String]

    /// - Parameter values: the fields by their names; what is empty counts as not filled in.
    package init(_ values: [String: String]) { self.values = values.filter { !$0.value.isEmpty } }

    init(_ address: PageAddress) { self.init(["module": address["module"] ?? ""]) }

    var module: String? { values["module"] }
    var strategy: String? { values["strategy"] }
    var runtime: String? { values["runtime"] }
    var server: String? { values["server"] }
    package var file: String? { values["source"] == "file" ? values["file"] : nil }
    /// Whether the plan of just what is filled in has been seen, and shall be carried out.
    package var isConfirmed: Bool { values["act"] == "deploy" && values["planned"] == fingerprint }

    /// Tells what is filled in from anything else.
    var fingerprint: String {
        let pairs = values.filter { !["act", "planned", "check_index", "token"].contains($0.key) }.sorted {
            $0.key < $1.key
        }
        return String(QuickHash.hash(pairs.flatMap { Array("\($0.key)=\($0.value)\0".utf8) }), radix: 16)
    }

    /// - Throws: `invalidRequest` that names the field that is wrong.
    package func request() throws(OrchError) -> DeployRequest {
        var request = DeployRequest()
        if values["source"] == "file" {
            guard let file = values["file"] else {
                throw OrchError(.invalidRequest, "the module file is empty: paste one, or choose a module")
            }
            request.file = file
        } else {
            guard let module else { throw OrchError(.invalidRequest, "choose a module, or paste a module file") }
            request.module = module
        }
        request.replicas = try number("replicas")
        request.port = try number("port")
        request.checkIndex = try number("check_index")
        request.env = try environment()
        request.runtime = try choice("runtime")
        request.strategy = try choice("strategy")
        request.server = server
        if let path = values["configuration_path"] {
            request.configuration = [path: values["configuration"] ?? ""]
        } else if values["configuration"] != nil {
            throw OrchError(.invalidRequest, "the configuration needs the name of its file, as in app.conf")
        }
        return request
    }

    private func number(_ name: String) throws(OrchError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw OrchError(.invalidRequest, "'\(name)' must be a whole number")
        }
        return number
    }

    private func choice<Choice: RawRepresentable<String>>(_ name: String) throws(OrchError) -> Choice? {
        guard let text = values[name] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw OrchError(.invalidRequest, "\(text.quotedOneLine) is no \(name)")
        }
        return choice
    }

    /// Lines `NAME=value`.
    private func environment() throws(OrchError) -> [String: String]? {
        guard let text = values["env"] else { return nil }
        var variables: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.allSatisfy(\.isWhitespace) {
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else {
                throw OrchError(.invalidRequest, "\(String(line).quotedOneLine) sets no variable: write NAME=value")
            }
            variables[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        return variables
    }

    /// What was filled in, to show it again.
    var fields: Fields {
        var fields: Fields = values
        fields["isFile"] = values["source"] == "file"
        return fields
    }
}
