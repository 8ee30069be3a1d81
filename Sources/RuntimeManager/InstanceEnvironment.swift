import Glibc
import OrchModel
import OrchSystem

/// The variables of an instance, and the replacement of `${NAME}` in what the module file says.
struct InstanceEnvironment {
    private(set) var variables: [String: String]

    /// What every process gets of the agent's own environment; nothing else leaks through.
    private static let inherited = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"]
    private static let fallbackPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// - Parameters:
    ///   - agent: what the agent tells all instances, such as its own address.
    ///   - home: of the user that the process runs as, where it is not the agent's.
    ///   - door: the folder with the agent's socket for those who have a token.
    init(
        process launch: InstanceLaunch, ports: [String: Int], folder: InstanceFolder, agent: [String: String],
        home: String?, door: String
    ) {
        var base: [String: String] = ["PATH": Self.fallbackPath]
        for name in Self.inherited { if let value = getenv(name) { base[name] = String(cString: value) } }
        if let home { base["HOME"] = home } else if let home = getenv("HOME") { base["HOME"] = String(cString: home) }
        base.merge(agent) { $1 }
        base["ORCH_MODULE_DIR"] = launch.spec.baseDirectory
        self.init(launch, ports, configuration: folder.configuration, door: door, base: base)
    }

    /// What is not set here is the image's own.
    ///
    /// - Parameters:
    ///   - ports: those in the container.
    ///   - configuration: where the container finds its configuration files.
    ///   - door: where it finds the agent's socket.
    init(container launch: InstanceLaunch, ports: [String: Int], configuration: String, door: String) {
        self.init(launch, ports, configuration: configuration, door: door, base: [:])
    }

    private init(
        _ launch: InstanceLaunch, _ ports: [String: Int], configuration: String, door: String,
        base: [String: String]
    ) {
        let spec = launch.spec
        var all = base
        all["ORCH_MODULE_NAME"] = spec.name.rawValue
        all["ORCH_MODULE_VERSION"] = spec.version
        all["ORCH_INSTANCE_ID"] = launch.id.rawValue
        all["ORCH_INSTANCE_ORDINAL"] = String(launch.ordinal)
        all["ORCH_CONFIG_DIR"] = configuration
        if spec.api != .none {
            all["ORCH_SOCKET"] = "\(door)/\(AgentPaths.doorSocket)"
            all["ORCH_TOKEN_FILE"] = "\(configuration)/\(ConfigurationWriter.tokenFile)"
            all["ORCH_AGENT_TOKEN_FILE"] = "\(configuration)/\(ConfigurationWriter.agentTokenFile)"
        }
        for (name, address) in launch.services {
            all["ORCH_SERVICE_\(Self.variableName(name.rawValue))_URL"] = address
        }
        for (index, port) in spec.ports.enumerated() {
            let number = String(ports[port.name] ?? port.port)
            all["ORCH_PORT_\(Self.variableName(port.name))"] = number
            if index == 0 { all["PORT"] = number }
            if !port.env.isEmpty { all[port.env] = number }
        }
        variables = all
        // What the module file sets may refer to what is above, and wins over it.
        for (name, value) in spec.env { all[name] = expand(value) }
        variables = all
    }

    var list: [String] { variables.map { "\($0.key)=\($0.value)" }.sorted() }

    /// `${NAME}` becomes the variable's value, or nothing when there is none; `$$` becomes `$`. A lone `$` stays.
    func expand(_ text: String) -> String {
        guard text.contains("$") else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
            } else if rest.first == "{", let end = rest.firstIndex(of: "}") {
                result += variables[String(rest[rest.index(after: rest.startIndex)..<end])] ?? ""
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
            }
        }
        return result + rest
    }

    /// Upper case, with `_` for what a variable's name may not hold.
    static func variableName(_ name: String) -> String {
        String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
