import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let logs = CommandSpec(
        name: "logs", summary: "Show log lines, those of instances that are gone included",
        discussion:
            "Without a selection the logs of all services are shown. Lines of several instances are put in order of time. With -o jsonl each line is a JSON object.",
        operands: [
            OperandSpec(
                "NAME", optional: true, repeats: true, names: .modules,
                "Service or instance, as --module and --instance.")
        ],
        options: [
            OptionSpec("topic", nil, .text, "TOPIC", repeats: true, names: .topics, "Lines of this topic."),
            OptionSpec("module", "m", .text, "MODULE", repeats: true, names: .modules, "Lines of this module."),
            OptionSpec("instance", "i", .text, "ID", repeats: true, names: .instances, "Lines of this instance."),
            OptionSpec(
                "tail", "n", .integer(0...10_000_000), "COUNT",
                "Only the last so many lines; 100 when following, otherwise all."),
            OptionSpec("since", nil, .time, "TIME", "Lines from this time on: RFC 3339, or a span back as in 10m."),
            OptionSpec("until", nil, .time, "TIME", "Lines up to this time."),
            OptionSpec("follow", "f", "Go on with lines as they come."),
            OptionSpec("grep", "g", .text, "REGEX", "Lines that this regular expression matches."),
            OptionSpec(
                "level", "l", .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "LEVEL",
                "Lines of at least this level; those without one count as info."),
            OptionSpec("timestamps", "T", "Begin each line with its time."),
        ],
        examples: [
            "orch logs --topic Request_Manager", "orch logs shop -f --level warning",
            "orch logs -i shop-k3v9qd --since 10m -o jsonl",
        ]
    ) { invocation in
        let client = try invocation.client()
        var query = try await LogSelection.query(invocation, client)
        let printer = LinePrinter(invocation, isSingle: query.count { $0.0 == "instance" } == 1)
        while true {
            var last: Timestamp?
            do throws(OrchError) {
                try await client.stream("/v1/logs", query: query) { message in
                    guard message.kind == "line" else { return message.kind != "end" }
                    let line = try JSONDecoder().decode(LogLine.self, from: Data(message.data.utf8))
                    last = line.at
                    try printer.print(line, json: message.data)
                    return true
                }
                return 0
            } catch {
                // Following goes on over restarts of the agent, from behind what was shown.
                guard try invocation.flag("follow"), error.code == .unavailable else { throw error }
                if let last {
                    query.removeAll { $0.0 == "tail" || $0.0 == "since" }
                    query.append(("since", Timestamp(nanoseconds: last.nanoseconds + 1).description))
                }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

/// The selection of lines, as the agent's query.
private enum LogSelection {
    static func query(_ invocation: Invocation, _ client: AgentClient) async throws -> [(String, String)] {
        var query: [(String, String)] = []
        for topic in try invocation.values("topic") { query.append(("topic", try TopicName(checking: topic).rawValue)) }
        for module in try invocation.values("module") {
            query.append(("module", try ModuleName(checking: module).rawValue))
        }
        for instance in try invocation.values("instance") {
            query.append(("instance", try InstanceID(checking: instance).rawValue))
        }
        if !invocation.operands.isEmpty {
            let modules = Set(try await client.call("GET", "/v1/services", as: [ServiceView].self).map(\.name.rawValue))
            for operand in invocation.operands {
                let name = try InstanceID(checking: operand).rawValue
                query.append((modules.contains(name) || !looksLikeInstance(name) ? "module" : "instance", name))
            }
        }
        let follows = try invocation.flag("follow")
        if let tail = try invocation.integer("tail") {
            query.append(("tail", String(tail)))
        } else if follows, try invocation.time("since") == nil {
            query.append(("tail", "100"))
        }
        for name in ["since", "until"] {
            if let time = try invocation.time(name) { query.append((name, time.description)) }
        }
        for name in ["grep", "level"] { if let text = try invocation.text(name) { query.append((name, text)) } }
        if follows { query.append(("follow", "true")) }
        return query
    }

    /// An instance's id ends in a dash and six characters.
    private static func looksLikeInstance(_ name: String) -> Bool {
        guard let dash = name.lastIndex(of: "-") else { return false }
        return name[dash...].count == 7
    }
}

/// Prints lines as they are wanted. A single instance needs no name before each.
private struct LinePrinter: Sendable {
    private let console: Console
    private let showsTime: Bool
    private let isSingle: Bool

    init(_ invocation: Invocation, isSingle: Bool) {
        console = invocation.console
        showsTime = (try? invocation.flag("timestamps")) ?? false
        self.isSingle = isSingle
    }

    func print(_ line: LogLine, json: String) throws {
        switch console.format {
        case .json, .jsonl: try console.print(json)
        case .yaml: try console.print("---\n" + YAMLText.text(of: Console.value(of: line)))
        case .table, .wide, .name:
            var text = ""
            if showsTime { text += console.styled(line.at.description, .dim) + " " }
            if !isSingle { text += console.styled(line.instance, .cyan) + " | " }
            let style: Console.Style? =
                switch line.level {
                case "error", "critical": .red
                case "warning": .yellow
                default: nil
                }
            try console.print(text + console.styled(line.line, style))
        }
    }
}
