/// Asks for a version of a module to run. Either `module` names a known one, as in `shop` or `shop:1.2`, or `file` is the text
/// of a module file.
package struct DeployRequest: Codable, Sendable {
    package var module: String?
    package var file: String?
    /// Where the file was read, for messages and as the base of relative paths.
    package var path: String?
    package var replicas: Int?
    package var env: [String: String]?
    /// The number of the first port.
    package var port: Int?
    /// Instead of what the module file says.
    package var runtime: RuntimeKind?
    /// The revision that was planned against, 0 for none: another one is a conflict.
    package var checkIndex: Int?

    package init(
        module: String? = nil, file: String? = nil, path: String? = nil, replicas: Int? = nil,
        env: [String: String]? = nil, port: Int? = nil, runtime: RuntimeKind? = nil, checkIndex: Int? = nil
    ) {
        self.module = module
        self.file = file
        self.path = path
        self.replicas = replicas
        self.env = env
        self.port = port
        self.runtime = runtime
        self.checkIndex = checkIndex
    }

    package enum CodingKeys: String, CodingKey {
        case module, file, path, replicas, env, port, runtime
        case checkIndex = "check_index"
    }
}

/// Asks a service, or one of its instances, to change.
package struct ChangeRequest: Codable, Sendable {
    package var replicas: Int?
    /// For a rollback: the number of a revision or a version; the one before by default.
    package var version: String?

    package init(replicas: Int? = nil, version: String? = nil) {
        self.replicas = replicas
        self.version = version
    }
}

/// A request that somebody made of the agent.
package struct RequestRecord: Codable, Sendable {
    package var id: Int64
    package var at: Timestamp
    package var method: String
    package var path: String
    package var from: String
    package var status: Int
    package var milliseconds: Double

    package init(
        id: Int64, at: Timestamp, method: String, path: String, from: String, status: Int, milliseconds: Double
    ) {
        self.id = id
        self.at = at
        self.method = method
        self.path = path
        self.from = from
        self.status = status
        self.milliseconds = milliseconds
    }
}
