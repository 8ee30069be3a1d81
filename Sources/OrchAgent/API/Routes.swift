import Hummingbird
import OrchModel

/// All routes of the API. A file for each noun adds its own.
struct Routes: Sendable {
    let agent: Agent

    func add(to router: Router<APIContext>) {
        let router = router.group().add(middleware: RequestTokenNeeded())
        let v1 = router.group("v1")
        addSystem(to: router, v1)
        addDeployments(to: v1)
        addServices(to: v1)
        addInstances(to: v1)
        addExec(to: v1)
        addModules(to: v1)
        addFiles(to: v1)
        addLogs(to: v1)
        addArtifacts(to: v1)
        addRegistry(to: router)
        addOutline(to: v1)
    }
}

extension Request {
    /// Decodes the body as JSON.
    func json<Value: Decodable & Sendable>(_: Value.Type, _ context: APIContext) async throws -> Value {
        try await decode(as: Value.self, context: context)
    }

    private static let largestNumber = 1_000_000_000

    /// A query parameter that must be a whole number, at most a billion.
    func number(_ name: Substring) throws(OrchError) -> Int? {
        guard let text = uri.queryParameters[name] else { return nil }
        guard let number = Int(text), (0...Self.largestNumber).contains(number) else {
            throw OrchError(.invalidRequest, "'\(name)' must be a whole number")
        }
        return number
    }

    /// A query parameter that must be a time.
    func time(_ name: Substring) throws(OrchError) -> Timestamp? {
        guard let text = uri.queryParameters[name] else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw OrchError(.invalidRequest, "'\(name)' must be a time, as in 2026-01-31T08:00:00Z")
        }
        return time
    }

    func flag(_ name: Substring) -> Bool { uri.queryParameters[name] == "true" }
}

extension APIContext {
    /// A name in the path.
    func name<Name: CheckedName>(_: Name.Type, _ parameter: String) throws -> Name {
        try Name(checking: parameters.require(parameter))
    }
}
