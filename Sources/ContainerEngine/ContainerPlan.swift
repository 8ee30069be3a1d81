import OrchModel

/// What a container is made from, in the engine's own terms.
package struct ContainerPlan: Sendable {
    package enum Mount: Sendable, Hashable {
        case bind(source: String, target: String, isReadOnly: Bool)
        case volume(name: String, target: String, isReadOnly: Bool)
        /// `size` in bytes; 0 for the engine's default.
        case tmpfs(target: String, size: Int64)
    }

    /// A port of the container, and where it is reached on this machine.
    package struct Publication: Sendable, Hashable {
        package var containerPort: Int
        package var address: String
        package var port: Int

        package init(containerPort: Int, address: String, port: Int) {
            self.containerPort = containerPort
            self.address = address
            self.port = port
        }
    }

    package enum HealthCheck: Sendable, Hashable {
        /// What the image says.
        case ofImage
        case none
    }

    package var image: String
    /// Takes the place of the image's entry point and arguments; empty for the image's own.
    package var command: [String] = []
    /// Take the place of the image's arguments.
    package var arguments: [String] = []
    /// As in `NAME=value`.
    package var environment: [String] = []
    package var labels: [String: String] = [:]
    /// Empty for the image's own.
    package var user = ""
    package var workdir = ""
    package var publications: [Publication] = []
    package var mounts: [Mount] = []
    package var network = ""
    /// Names by which others in the network find it.
    package var aliases: [String] = []
    /// In bytes; 0 for no limit, as below.
    package var memory: Int64 = 0
    /// In cores.
    package var cpu = 0.0
    package var processes = 0
    package var openFiles = 0
    package var isReadOnly = false
    /// All others are dropped.
    package var capabilities: [String] = []
    package var health = HealthCheck.none
    /// What the engine keeps of the output, in bytes; the oldest goes first.
    package var logSize: Int64 = 0

    package init(image: String) { self.image = image }

    private static let logFiles: Int64 = 4

    /// The body of `POST /containers/create`.
    var json: JSONValue {
        var exposed: [String: JSONValue] = [:]
        var bindings: [String: JSONValue] = [:]
        for publication in publications {
            let key = "\(publication.containerPort)/tcp"
            exposed[key] = [:]
            bindings[key] = [["HostIp": .string(publication.address), "HostPort": .string("\(publication.port)")]]
        }
        var host: [String: JSONValue] = [
            "PortBindings": .object(bindings),
            "Mounts": .array(mounts.map(\.json)),
            // Who restarts it is the deployer, which knows why.
            "RestartPolicy": ["Name": "no"],
            "ReadonlyRootfs": .bool(isReadOnly),
            "CapDrop": ["ALL"],
            "CapAdd": .array(capabilities.map(JSONValue.string)),
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": [
                "Type": "json-file",
                "Config": [
                    "max-size": .string("\(max(1 << 20, logSize / Self.logFiles))"),
                    "max-file": .string("\(Self.logFiles)"),
                ],
            ],
        ]
        if memory > 0 {
            host["Memory"] = .integer(memory)
            // Swap would hide that it has too little.
            host["MemorySwap"] = .integer(memory)
        }
        if cpu > 0 { host["NanoCpus"] = .integer(Int64(cpu * 1e9)) }
        if processes > 0 { host["PidsLimit"] = .integer(Int64(processes)) }
        if openFiles > 0 {
            host["Ulimits"] = [
                ["Name": "nofile", "Soft": .integer(Int64(openFiles)), "Hard": .integer(Int64(openFiles))]
            ]
        }
        if !network.isEmpty { host["NetworkMode"] = .string(network) }
        var body: [String: JSONValue] = [
            "Image": .string(image),
            "Env": .array(environment.map(JSONValue.string)),
            "Labels": .object(labels.mapValues(JSONValue.string)),
            "ExposedPorts": .object(exposed),
            "HostConfig": .object(host),
        ]
        if !command.isEmpty { body["Entrypoint"] = .array(command.map(JSONValue.string)) }
        if !arguments.isEmpty { body["Cmd"] = .array(arguments.map(JSONValue.string)) }
        if !user.isEmpty { body["User"] = .string(user) }
        if !workdir.isEmpty { body["WorkingDir"] = .string(workdir) }
        if health == .none { body["Healthcheck"] = ["Test": ["NONE"]] }
        if !aliases.isEmpty {
            body["NetworkingConfig"] = [
                "EndpointsConfig": .object([network: ["Aliases": .array(aliases.map(JSONValue.string))]])
            ]
        }
        return .object(body)
    }
}

extension ContainerPlan.Mount {
    fileprivate var json: JSONValue {
        switch self {
        case .bind(let source, let target, let isReadOnly):
            [
                "Type": "bind", "Source": .string(source), "Target": .string(target), "ReadOnly": .bool(isReadOnly),
            ]
        case .volume(let name, let target, let isReadOnly):
            [
                "Type": "volume", "Source": .string(name), "Target": .string(target), "ReadOnly": .bool(isReadOnly),
            ]
        case .tmpfs(let target, let size):
            [
                "Type": "tmpfs", "Target": .string(target),
                "TmpfsOptions": size > 0 ? ["SizeBytes": .integer(size)] : [:],
            ]
        }
    }
}
