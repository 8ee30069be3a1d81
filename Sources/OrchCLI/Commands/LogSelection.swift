import OrchClient
import OrchModel

/// Which lines a command is about: options that all commands on logs share, and the agent's query made of them.
enum LogSelection {
    static let operand = OperandSpec(
        "NAME", optional: true, repeats: true, names: .modules, "Service or instance, as --module and --instance.")

    static let options: [OptionSpec] = [
        OptionSpec("topic", nil, .text, "TOPIC", repeats: true, names: .topics, "Lines of this topic."),
        OptionSpec("module", "m", .text, "MODULE", repeats: true, names: .modules, "Lines of this module."),
        OptionSpec("instance", "i", .text, "ID", repeats: true, names: .instances, "Lines of this instance."),
        OptionSpec("label", nil, .text, "KEY=VALUE", repeats: true, "Lines of services with this label."),
        OptionSpec("since", nil, .time, "TIME", "Lines from this time on: RFC 3339, or a span back as in 10m."),
        OptionSpec("until", nil, .time, "TIME", "Lines up to this time."),
        OptionSpec("grep", "g", .text, "REGEX", "Lines that this regular expression (Perl's) matches."),
        OptionSpec(
            "level", "l", .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "LEVEL",
            "Lines of at least this level; those without one count as info."),
        OptionSpec(
            "field", nil, .text, "KEY=VALUE", repeats: true,
            "Lines of JSON or logfmt with this field; KEY of nested objects is joined by dots."),
    ]

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
        for name in ["label", "field"] { for value in try invocation.values(name) { query.append((name, value)) } }
        for name in ["since", "until"] {
            if let time = try invocation.time(name) { query.append((name, time.description)) }
        }
        for name in ["grep", "level"] { if let text = try invocation.text(name) { query.append((name, text)) } }
        return query
    }

    /// An instance's id ends in a dash and six characters.
    private static func looksLikeInstance(_ name: String) -> Bool {
        guard let dash = name.lastIndex(of: "-") else { return false }
        return name[dash...].count == 7
    }
}
