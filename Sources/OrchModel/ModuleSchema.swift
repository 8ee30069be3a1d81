/// The keys of `module.yaml` as data: the parser, the published JSON Schema and the manual page all come from here.
package enum ModuleSchema {
    package indirect enum Shape: Sendable {
        /// - Parameter example: what the error message shows.
        case string(example: String)
        /// Letters, digits, `-`, `_`, `.`, at most `longest` characters.
        case name(longest: Int)
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case boolean
        case duration(ClosedRange<TimeSpan>)
        case size
        /// A number, or a part in percent.
        case amount
        case choice([String])
        case list(of: Shape)
        /// A list of words, or one text that is split at spaces (quotes keep words together).
        case words
        /// Values are texts; numbers and booleans are taken as they are written.
        case map
        case object([Key])
    }

    package struct Key: Sendable {
        package let name: String
        package let shape: Shape
        /// What stands where the key is left out; `nil` makes it required.
        package let fallback: JSONValue?
        package let help: String

        package init(_ name: String, _ shape: Shape, or fallback: JSONValue?, _ help: String) {
            self.name = name
            self.shape = shape
            self.fallback = fallback
            self.help = help
        }
    }

    private static let day = TimeSpan.seconds(86_400)

    package static let keys: [Key] = [
        Key("name", .name(longest: 63), or: nil, "Name of the module and of its service."),
        Key("version", .string(example: "1.4.2"), or: "0", "Version, shown wherever an instance is."),
        Key(
            "topic", .name(longest: 249), or: "",
            "Kafka topic that the instances' output goes to; the module's name by default."),
        Key("description", .string(example: "Web shop"), or: "", "One line for people."),
        Key(
            "runtime", .choice(RuntimeKind.allCases.map(\.rawValue)), or: "process",
            "What an instance runs on; auto is whichever container engine answers, Docker before Podman."),
        Key(
            "image", .string(example: "nginx:1.27"), or: "",
            "For containers: the image, which the engine fetches where it is missing."),
        Key(
            "command", .words, or: [],
            "Program and arguments, run without a shell. ${NAME} is a variable of the instance's environment, $$ a dollar sign; a container may do without, and has that of its image then."
        ),
        Key("args", .list(of: .string(example: "--verbose")), or: [], "Arguments behind those of command."),
        Key(
            "workdir", .string(example: "/srv/shop"), or: "",
            "Working directory, relative to the module file; by default its own directory."),
        Key("env", .map, or: [:], "Environment variables."),
        Key(
            "files", .list(of: .object(fileKeys)), or: [],
            "Configuration files, written into the directory ORCH_CONFIG_DIR."),
        Key("ports", .list(of: .object(portKeys)), or: [], "Ports on loopback that the instance listens at."),
        Key(
            "endpoint", .object(endpointKeys), or: [:],
            "The service's own address, at which the load balancer answers for all instances."),
        Key("health", .object(healthKeys), or: [:], "How to tell that an instance works."),
        Key("restart", .object(restartKeys), or: [:], "What happens when an instance ends by itself."),
        Key("stop", .object(stopKeys), or: [:], "How an instance is asked to end."),
        Key("replicas", .integer(0...1000), or: 1, "Number of instances."),
        Key("user", .string(example: "www-data"), or: "", "User, or user:group, that the instance runs as."),
        Key("limits", .object(limitKeys), or: [:], "Bounds of each instance."),
        Key("logs", .object(logKeys), or: [:], "What waits on disk while the broker is away, and how much is sent."),
        Key("depends_on", .list(of: .name(longest: 63)), or: [], "Modules whose service must be running first."),
        Key("update", .object(updateKeys), or: [:], "How a new version replaces the old one."),
        Key("placement", .object(placementKeys), or: [:], "Which server an instance is put on."),
        Key("labels", .map, or: [:], "Words of your own to select by."),
        Key("container", .object(containerKeys), or: [:], "What only containers have."),
        Key(
            "api", .choice(AgentAccess.allCases.map(\.rawValue)), or: "none",
            "What instances may do with the agent, which they reach at ORCH_SOCKET with the token in the file ORCH_TOKEN_FILE: read sees everything; operate also starts, stops, restarts, scales, deploys and rolls back known modules."
        ),
        Key(
            "ui", .string(example: "./ui"), or: "",
            "Folder of web pages, which the load balancer serves at the service's /ui/; for what is in the repository the folder ui by default."
        ),
    ]

    private static let containerKeys: [Key] = [
        Key(
            "network", .name(longest: 63), or: "default",
            "Network of the engine that the containers are in; modules of one find each other by their names; host is that of this machine."
        ),
        Key("volumes", .list(of: .object(volumeKeys)), or: [], "Places that outlive the container, or are memory."),
        Key("read_only", .boolean, or: false, "Nothing can be written but volumes."),
        Key(
            "capabilities", .list(of: .string(example: "NET_BIND_SERVICE")), or: [],
            "Capabilities to keep; all others are dropped."),
    ]

    private static let volumeKeys: [Key] = [
        Key("path", .string(example: "/var/lib/data"), or: nil, "Absolute path in the container."),
        Key(
            "source", .string(example: "shop-data"), or: "",
            "Name of a volume that the engine keeps, an absolute path of this machine, or one that begins with ./ beside the module file; memory by default."
        ),
        Key("read_only", .boolean, or: false, "It cannot be written."),
        Key("size", .size, or: 0, "The most that memory holds."),
    ]

    private static let fileKeys: [Key] = [
        Key("path", .string(example: "app.conf"), or: nil, "Relative path of the file."),
        Key("content", .string(example: "listen ${PORT}"), or: "", "Its text; ${NAME} is replaced as in command."),
        Key(
            "source", .string(example: "app.conf.in"), or: "", "Or a file beside the module file to take the text from."
        ),
        Key("mode", .string(example: "0640"), or: "0600", "Permission bits in octal."),
        Key(
            "secret", .boolean, or: false,
            "It is read from source at each start and kept nowhere else; in a container it is also below /run/secrets."),
    ]

    private static let portKeys: [Key] = [
        Key("name", .name(longest: 63), or: "http", "Name of the port."),
        Key("port", .integer(0...65535), or: 0, "Port number, or 0 for a free one."),
        Key(
            "env", .string(example: "PORT"), or: "",
            "Variable with the number; PORT for the first, ORCH_PORT_<NAME> for each."),
        Key(
            "target", .integer(0...65535), or: 0,
            "In a container: the port that is listened at there, or 0 for the one that the variable tells."),
    ]

    private static let endpointKeys: [Key] = [
        Key(
            "mode", .choice(EndpointSpec.Mode.allCases.map(\.rawValue)), or: "auto",
            "http, tcp or none; auto is what the health check asks, or else http for a port that is called http."),
        Key("port", .integer(0...65535), or: 0, "Port to listen at, or 0 for a free one, which the service keeps."),
        Key("address", .string(example: "127.0.0.1"), or: "127.0.0.1", "Address of this machine to listen at."),
        Key(
            "hosts", .list(of: .string(example: "shop.example.com")), or: [],
            "For http: names in the Host field that are meant; any by default. '*.example.com' stands for every name below."
        ),
        Key("path", .string(example: "/shop"), or: "/", "For http: what the path must begin with."),
        Key("target", .string(example: "http"), or: "", "Name of the instances' port; the first by default."),
        Key("tls", .object(tlsKeys), or: [:], "Certificate, for clients that come with TLS."),
        Key(
            "drain", .duration(.zero...day), or: "30s",
            "Time that an instance has for requests in flight before it is stopped."),
        Key(
            "hold", .duration(.zero...day), or: "2s",
            "Time that a request waits for an instance when none is there."),
        Key(
            "timeout", .duration(.milliseconds(1)...day), or: "1m",
            "Time that an instance may take to begin its answer."),
        Key("slow_start", .duration(.zero...day), or: "2s", "Time over which a new instance gets its full share."),
        Key(
            "access_log", .integer(0...1_000_000), or: 50,
            "The most lines a second in the access log; what is left out is counted there."),
    ]

    private static let tlsKeys: [Key] = [
        Key("certificate", .string(example: "tls/shop.crt"), or: "", "PEM file with the certificate and its chain."),
        Key("key", .string(example: "tls/shop.key"), or: "", "PEM file with its key."),
    ]

    private static let placementKeys: [Key] = [
        Key("servers", .list(of: .string(example: "node-1")), or: [], "Servers that may be taken; any by default."),
        Key("near", .list(of: .name(longest: 63)), or: [], "Modules to share a server with where that is possible."),
        Key(
            "spread", .choice(PlacementSpec.Spread.allCases.map(\.rawValue)), or: "instances",
            "instances: the server with the fewest of this module; resources: the one with the most room."),
    ]

    private static let healthKeys: [Key] = [
        Key(
            "type", .choice(HealthSpec.Kind.allCases.map(\.rawValue)), or: "none",
            "Kind of check; exec runs within the instance, image is the check that the container's image has."),
        Key("path", .string(example: "/health"), or: "/", "For http: the path that answers 200 to 399."),
        Key("port", .string(example: "http"), or: "", "For tcp and http: name of the port; the first by default."),
        Key("command", .words, or: [], "For exec: a command that ends with 0."),
        Key("interval", .duration(.milliseconds(10)...day), or: "5s", "Time between checks."),
        Key("timeout", .duration(.milliseconds(10)...day), or: "2s", "Time that an answer may take."),
        Key("rise", .integer(1...100), or: 1, "Successes in a row that make it healthy."),
        Key("fall", .integer(1...100), or: 3, "Failures in a row that make it unhealthy."),
        Key("start_period", .duration(.zero...day), or: "10s", "Time from the start in which failures do not count."),
    ]

    private static let restartKeys: [Key] = [
        Key(
            "policy", .choice(RestartSpec.Policy.allCases.map(\.rawValue)), or: "always",
            "always; on-failure leaves an instance that ended with 0 alone; never."),
        Key(
            "initial_delay", .duration(.zero...day), or: "100ms",
            "Pause before the second restart in a row (the first comes at once); doubles each time."),
        Key("max_delay", .duration(.zero...day), or: "10s", "The longest pause."),
        Key("reset_after", .duration(.zero...day), or: "10s", "Time up after which earlier failures are forgotten."),
        Key(
            "give_up_after", .integer(0...1_000_000), or: 0, "Failures in a row after which it stays down; 0 for never."
        ),
    ]

    private static let stopKeys: [Key] = [
        Key(
            "signal", .choice(["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"]), or: "TERM",
            "Signal to the process group."),
        Key("grace", .duration(.zero...day), or: "10s", "Time until the whole process tree is killed."),
    ]

    private static let limitKeys: [Key] = [
        Key("memory", .size, or: 0, "Memory of the whole process tree (cgroup)."),
        Key("cpu", .number(0...1024), or: 0, "Cores (cgroup)."),
        Key("open_files", .integer(0...1_048_576), or: 0, "Open descriptors of a process."),
        Key("processes", .integer(0...1_000_000), or: 0, "Processes and threads of the tree (cgroup)."),
    ]

    private static let logKeys: [Key] = [
        Key("spool", .size, or: 268_435_456, "The most that waits on disk, at least 1M."),
        Key(
            "when_full", .choice(LogSpec.WhenFull.allCases.map(\.rawValue)), or: "drop-oldest",
            "drop-oldest loses lines and counts them; block makes the instance wait."),
        Key(
            "rate", .integer(0...10_000_000), or: 0,
            "The most lines a second that are sent; what is left out is counted in the log. 0 for no limit."),
    ]

    private static let updateKeys: [Key] = [
        Key(
            "strategy", .choice(UpdateSpec.Strategy.allCases.map(\.rawValue)), or: "rolling",
            "rolling; blue-green starts all new instances and then switches; canary gives them a part of the requests until 'orch promote'; recreate stops all old ones first."
        ),
        Key(
            "order", .choice(UpdateSpec.Order.allCases.map(\.rawValue)), or: "auto",
            "start-first, or stop-first; auto starts first unless a port is fixed."),
        Key("max_surge", .amount, or: "25%", "Start-first: instances above the wanted number, at least one."),
        Key("max_unavailable", .amount, or: "25%", "Stop-first: instances below the wanted number, at least one."),
        Key("canary", .integer(1...99), or: 10, "Percent of the requests that a canary gets."),
        Key(
            "monitor", .duration(.zero...day), or: "5s",
            "Time that the first new instances must hold before they replace old ones."),
        Key(
            "monitor_checks", .integer(0...1000), or: 10,
            "Passed health checks in a row that end the monitor window early; 0 for never."),
        Key(
            "healthy_timeout", .duration(.milliseconds(1)...day), or: "1m",
            "Time a new instance may take to become healthy."),
        Key(
            "on_failure", .choice(UpdateSpec.OnFailure.allCases.map(\.rawValue)), or: "rollback",
            "rollback to the version before, or pause with what there is."),
    ]
}

extension ModuleSchema {
    /// The JSON Schema (draft 2020-12) that editors check module files with.
    package static var jsonSchema: JSONValue {
        guard case .object(var members) = schema(of: .object(keys)) else { return .null }
        members["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        members["title"] = "orch module file"
        return .object(members)
    }

    private static func schema(of shape: Shape) -> JSONValue {
        switch shape {
        case .string: ["type": ["string", "number", "boolean"]]
        case .name(let longest):
            ["type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": .integer(Int64(longest))]
        case .integer(let range):
            [
                "type": "integer", "minimum": .integer(Int64(range.lowerBound)),
                "maximum": .integer(Int64(range.upperBound)),
            ]
        case .number(let range):
            ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
        case .boolean: ["type": "boolean"]
        case .duration:
            [
                "type": ["string", "integer"], "pattern": "^(0|([0-9.]+(d|h|m|s|ms|us|ns))+)$", "minimum": 0,
                "maximum": 0,
            ]
        case .size:
            ["type": ["string", "integer"], "pattern": "^[0-9.]+([KkMmGgTt]([Ii]?[Bb])?|[Bb])?$", "minimum": 0]
        case .amount: ["type": ["string", "integer"], "pattern": "^[0-9]+%?$", "minimum": 0]
        case .choice(let words): ["enum": .array(words.map(JSONValue.string))]
        case .list(let element): ["type": "array", "items": schema(of: element)]
        case .words:
            [
                "oneOf": [
                    ["type": "string", "minLength": 1],
                    ["type": "array", "items": ["type": ["string", "number", "boolean"]]],
                ]
            ]
        case .map: ["type": "object", "additionalProperties": ["type": ["string", "number", "boolean", "null"]]]
        case .object(let keys):
            .object([
                "type": "object", "additionalProperties": false,
                "required": .array(keys.filter { $0.fallback == nil }.map { .string($0.name) }),
                "properties": .object(
                    Dictionary(uniqueKeysWithValues: keys.map { ($0.name, describedSchema(of: $0)) })),
            ])
        }
    }

    private static func describedSchema(of key: Key) -> JSONValue {
        guard case .object(var members) = schema(of: key.shape) else { return .null }
        members["description"] = .string(key.help)
        return .object(members)
    }

    /// What a value of this shape looks like, for messages and the manual.
    package static func expectation(of shape: Shape) -> String {
        switch shape {
        case .string(let example): "text, as in \(example)"
        case .name(let longest): "a name of 1 to \(longest) letters, digits, '-', '_' or '.'"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true or false"
        case .duration(let range): "a duration from \(range.lowerBound) to \(range.upperBound), as in 1m30s"
        case .size: "a size, as in 64K or 512M"
        case .amount: "a number, or a part as in 25%"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .list: "a list"
        case .words: "a command, as a list or as one text"
        case .map: "a map of texts"
        case .object: "a map"
        }
    }
}

extension ModuleSchema {
    /// A value with the defaults of every key that it lacks, as a file is that an earlier version wrote down.
    package static func completed(_ value: JSONValue, _ shape: Shape = .object(keys)) -> JSONValue {
        switch (shape, value) {
        case (.object(let keys), .object(var members)):
            for key in keys { members[key.name] = completed(members[key.name] ?? key.fallback ?? .null, key.shape) }
            return .object(members)
        case (.list(let element), .array(let elements)): return .array(elements.map { completed($0, element) })
        default: return value
        }
    }
}
