/// The keys of `module.yaml` as data: the parser, the published JSON Schema and the manual page all come from here.
package enum ModuleSchema {
    package indirect enum Shape: Sendable {
        /// - Parameter example: what the error message shows.
        case string(example: String)
        /// Letters, digits, `-`, `_`, `.`, at most `longest` characters.
        case name(longest: Int)
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case duration(ClosedRange<TimeSpan>)
        case size
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

        init(_ name: String, _ shape: Shape, or fallback: JSONValue?, _ help: String) {
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
        Key("runtime", .choice(RuntimeKind.allCases.map(\.rawValue)), or: "process", "What an instance runs on."),
        Key(
            "command", .words, or: nil,
            "Program and arguments, run without a shell. ${NAME} is a variable of the instance's environment, $$ a dollar sign."
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
        Key("health", .object(healthKeys), or: [:], "How to tell that an instance works."),
        Key("restart", .object(restartKeys), or: [:], "What happens when an instance ends by itself."),
        Key("stop", .object(stopKeys), or: [:], "How an instance is asked to end."),
        Key("replicas", .integer(0...1000), or: 1, "Number of instances."),
        Key("user", .string(example: "www-data"), or: "", "User, or user:group, that the instance runs as."),
        Key("limits", .object(limitKeys), or: [:], "Bounds of each instance."),
        Key("logs", .object(logKeys), or: [:], "What waits on disk while the broker is away."),
        Key("depends_on", .list(of: .name(longest: 63)), or: [], "Modules whose service must be running first."),
        Key("update", .object(updateKeys), or: [:], "How a new version replaces the old one."),
        Key("labels", .map, or: [:], "Words of your own to select by."),
    ]

    private static let fileKeys: [Key] = [
        Key("path", .string(example: "app.conf"), or: nil, "Relative path of the file."),
        Key("content", .string(example: "listen ${PORT}"), or: "", "Its text; ${NAME} is replaced as in command."),
        Key(
            "source", .string(example: "app.conf.in"), or: "", "Or a file beside the module file to take the text from."
        ),
        Key("mode", .string(example: "0640"), or: "0600", "Permission bits in octal."),
    ]

    private static let portKeys: [Key] = [
        Key("name", .name(longest: 63), or: "http", "Name of the port."),
        Key("port", .integer(0...65535), or: 0, "Port number, or 0 for a free one."),
        Key(
            "env", .string(example: "PORT"), or: "",
            "Variable with the number; PORT for the first, ORCH_PORT_<NAME> for each."),
    ]

    private static let healthKeys: [Key] = [
        Key("type", .choice(HealthSpec.Kind.allCases.map(\.rawValue)), or: "none", "Kind of check."),
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
    ]

    private static let updateKeys: [Key] = [
        Key(
            "order", .choice(UpdateSpec.Order.allCases.map(\.rawValue)), or: "auto",
            "start-first, or stop-first; auto starts first unless a port is fixed."),
        Key("parallel", .integer(0...1000), or: 0, "Instances replaced at a time; 0 for a quarter of them."),
        Key("monitor", .duration(.zero...day), or: "1s", "Without a health check: time a new instance must stay up."),
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
        case .duration:
            [
                "type": ["string", "integer"], "pattern": "^(0|([0-9.]+(d|h|m|s|ms|us|ns))+)$", "minimum": 0,
                "maximum": 0,
            ]
        case .size:
            ["type": ["string", "integer"], "pattern": "^[0-9.]+([KkMmGgTt]([Ii]?[Bb])?|[Bb])?$", "minimum": 0]
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
        case .duration(let range): "a duration from \(range.lowerBound) to \(range.upperBound), as in 1m30s"
        case .size: "a size, as in 64K or 512M"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .list: "a list"
        case .words: "a command, as a list or as one text"
        case .map: "a map of texts"
        case .object: "a map"
        }
    }
}
