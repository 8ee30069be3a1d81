/// Asks for a version of a module to run. Either `module` names a known one, as in `shop` or `shop:1.2`, or `file` is the text
/// of a module file.
package struct DeployRequest: Codable, Hashable, Sendable {
    package var module: String?
    package var file: String?
    /// Where the file was read, for messages and as the base of relative paths.
    package var path: String?
    package var replicas: Int?
    package var env: [String: String]?
    /// The number of the first port.
    package var port: Int?
    /// Instead of what the module file says, as are the three after it.
    package var runtime: RuntimeKind?
    package var strategy: UpdateSpec.Strategy?
    /// The only server that may be taken.
    package var server: String?
    /// Texts of configuration files by their paths: of those of the module file, and of further ones.
    package var configuration: [String: String]?
    /// The name of the service, instead of the module's own, of which it says that it is a run. It goes on to log to the module's
    /// topic, and whoever may operate may remove it again.
    package var alias: ModuleName?
    /// The revision that was planned against, 0 for none: another one is a conflict.
    package var checkIndex: Int?

    package init(
        module: String? = nil, file: String? = nil, path: String? = nil, replicas: Int? = nil,
        env: [String: String]? = nil, port: Int? = nil, runtime: RuntimeKind? = nil,
        strategy: UpdateSpec.Strategy? = nil, server: String? = nil, configuration: [String: String]? = nil,
        checkIndex: Int? = nil
    ) {
        self.module = module
        self.file = file
        self.path = path
        self.replicas = replicas
        self.env = env
        self.port = port
        self.runtime = runtime
        self.strategy = strategy
        self.server = server
        self.configuration = configuration
        self.checkIndex = checkIndex
    }

    package enum CodingKeys: String, CodingKey {
        case module, file, path, replicas, env, port, runtime, strategy, server, configuration
        case alias = "as"
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
    /// `local` for a socket of this machine, otherwise an address.
    package var from: String
    /// Who asked: `owner` for whoever may open the socket, `token`, `browser`, or the id of an instance; `nil` for whoever
    /// showed nothing, and in records of before it was kept.
    package var by: String?
    /// 0 while it is not answered.
    package var status: Int
    package var milliseconds: Double

    package init(
        id: Int64, at: Timestamp, method: String, path: String, from: String, by: String?, status: Int,
        milliseconds: Double
    ) {
        self.id = id
        self.at = at
        self.method = method
        self.path = path
        self.from = from
        self.by = by
        self.status = status
        self.milliseconds = milliseconds
    }
}
