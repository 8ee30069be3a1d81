import OrchModel
import OrchSystem

/// The operand of `deploy` and `plan`: a known module's name, or a module file.
enum ModuleOperand {
    static let options: [OptionSpec] = [
        OptionSpec("replicas", "r", .integer(0...1000), "COUNT", "Number of instances, instead of the file's."),
        OptionSpec(
            "env", "e", .text, "NAME=VALUE", repeats: true,
            "Environment variable; several times. NAME alone takes it from here."),
        OptionSpec(
            "runtime", nil, .choice(RuntimeKind.allCases.map(\.rawValue)), "RUNTIME",
            "What it runs on, instead of what the file says; a container runs the image of the module's name in the repository where the file names none."
        ),
    ]

    static func request(_ invocation: Invocation) throws(OrchError) -> DeployRequest {
        let operand = invocation.operands[0]
        var request = DeployRequest(
            replicas: try invocation.integer("replicas"), env: try variables(invocation),
            runtime: try invocation.text("runtime").flatMap(RuntimeKind.init(rawValue:)))
        guard isPath(operand) else {
            request.module = try ArtifactReference(checking: operand).description
            return request
        }
        let path = try modulePath(operand, invocation)
        request.path = path
        request.file = try read(path)
        return request
    }

    static func modulePath(_ operand: String, _ invocation: Invocation) throws(OrchError) -> String {
        var path = invocation.absolute(operand)
        if Files.isFolder(path) { path += path.hasSuffix("/") ? "module.yaml" : "/module.yaml" }
        guard let canonical = Files.canonical(path) else {
            throw OrchError(.notFound, "there is no file \(path.quotedOneLine)")
        }
        return canonical
    }

    static func read(_ path: String) throws(OrchError) -> String {
        do throws(SystemError) { return try Files.readText(path) } catch {
            throw OrchError(.notFound, "\(path) cannot be read: \(error.reason)", cause: error)
        }
    }

    static func isPath(_ operand: String) -> Bool {
        operand.contains("/") || operand == "." || operand == ".." || operand.hasSuffix(".yaml")
            || operand.hasSuffix(".yml")
    }

    private static func variables(_ invocation: Invocation) throws(OrchError) -> [String: String]? {
        var variables: [String: String] = [:]
        for text in try invocation.values("env") {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard !parts[0].isEmpty else {
                throw OrchError(.invalidRequest, "--env must be NAME=VALUE, not \(text.quotedOneLine)")
            }
            guard let value = parts.count == 2 ? parts[1] : invocation.environment[parts[0]] else {
                throw OrchError(.invalidRequest, "--env \(parts[0]): the variable is not set here; write NAME=VALUE")
            }
            variables[parts[0]] = value
        }
        return variables.isEmpty ? nil : variables
    }
}
