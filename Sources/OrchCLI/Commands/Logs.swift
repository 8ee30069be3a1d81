import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let logs = CommandSpec(
        name: "logs", summary: "Show log lines, those of instances that are gone included",
        discussion:
            "Without a selection the logs of all services are shown. Lines of several instances are put in order of time. With -o jsonl each line is a JSON object. "
            + "Following goes on over restarts, replacements and restarts of the agent; of a job it ends with the job's exit status.",
        operands: [LogSelection.operand],
        options: LogSelection.options + [
            OptionSpec(
                "tail", "n", .integer(0...10_000_000), "COUNT",
                "Only the last so many lines; 100 when following, otherwise all."),
            OptionSpec("follow", "f", "Go on with lines as they come."),
            OptionSpec(
                "context", "C", .integer(0...1000), "COUNT",
                "Also so many lines of the same instance before and after each."),
            OptionSpec(
                "before-exit", nil, .text, "ID", names: .instances,
                "The last lines before this instance ended; 50, or as many as --tail says."),
            OptionSpec("timestamps", "T", "Begin each line with its time."),
        ],
        examples: [
            "orch logs --topic Request_Manager", "orch logs shop -f --level warning",
            "orch logs -i shop-k3v9qd --since 10m -o jsonl", "orch logs shop --field user.id=42 --context 3",
            "orch logs --before-exit shop-k3v9qd",
        ]
    ) { invocation in
        let client = try invocation.client()
        var query = try await LogSelection.query(invocation, client)
        let follows = try invocation.flag("follow")
        if let tail = try invocation.integer("tail") {
            query.append(("tail", String(tail)))
        } else if follows, try invocation.time("since") == nil {
            query.append(("tail", "100"))
        }
        if let context = try invocation.integer("context") { query.append(("context", String(context))) }
        if let id = try invocation.text("before-exit") {
            query.append(("before_exit", try InstanceID(checking: id).rawValue))
        }
        if follows { query.append(("follow", "true")) }
        let printer = LinePrinter(
            invocation, isSingle: query.count { ["instance", "before_exit"].contains($0.0) } == 1)
        guard follows else {
            try await client.stream("/v1/logs", query: query) { message in
                if message.kind == "line" { try printer.print(message.data) }
                return message.kind != "end"
            }
            return 0
        }
        var follower = Follower(client: client, printer: printer, query: query)
        return try await follower.run()
    }
}

/// Follows lines over restarts of the agent: goes on from the position that the agent has told last, and leaves out the
/// lines that come a second time.
private struct Follower {
    let client: AgentClient
    let printer: LinePrinter
    var query: [(String, String)]
    /// The number of the last line of each instance that was shown.
    private var shown: [String: Int64] = [:]
    private var position: String?
    private var status: Int32 = 0
    /// The agent has answered at least once.
    private var hasBegun = false
    /// It was told that the agent is gone.
    private var isWaiting = false

    private static let pause = Duration.milliseconds(200)

    init(client: AgentClient, printer: LinePrinter, query: [(String, String)]) {
        self.client = client
        self.printer = printer
        self.query = query
    }

    /// - Returns: the exit status of the workload where it has ended; otherwise it follows until it is interrupted.
    mutating func run() async throws -> Int32 {
        while true {
            do throws(OrchError) {
                try await follow()
                return status
            } catch {
                // Whoever reads our output may be gone, not the agent.
                guard error.code == .unavailable, hasBegun, !(error.cause is ClosedPipe) else { throw error }
                if !isWaiting { printer.note("the agent is gone; waiting for it") }
                isWaiting = true
                if let position {
                    query.removeAll { ["tail", "since", "position"].contains($0.0) }
                    query.append(("position", position))
                }
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    private mutating func follow() async throws(OrchError) {
        var (shown, position, status) = (shown, position, status)
        var isAnswering = false
        defer {
            (self.shown, self.position, self.status) = (shown, position, status)
            if isAnswering { (hasBegun, isWaiting) = (true, false) }
        }
        let isAgain = hasBegun
        let printer = printer
        try await client.stream("/v1/logs", query: query) { message in
            isAnswering = true
            switch message.kind {
            case "line":
                let line = try JSONDecoder().decode(LogLine.self, from: Data(message.data.utf8))
                if isAgain, line.seq > 0, line.seq <= shown[line.instance] ?? 0 { return true }
                shown[line.instance] = max(shown[line.instance] ?? 0, line.seq)
                try printer.print(line, json: message.data)
            case "position": position = message.data
            case "exit": status = Int32(message.data) ?? 1
            default: break
            }
            return message.kind != "end"
        }
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

    /// - Parameter json: the line as the agent sent it.
    func print(_ json: String) throws {
        switch console.format {
        case .json, .jsonl: try console.print(json)
        default: try print(try JSONDecoder().decode(LogLine.self, from: Data(json.utf8)), json: json)
        }
    }

    func note(_ text: String) { console.note(text) }

    func print(_ line: LogLine, json: String) throws {
        switch console.format {
        case .json, .jsonl: try console.print(json)
        case .yaml: try console.print("---\n" + YAMLText.text(of: Console.value(of: line)))
        case .table, .wide, .name:
            var text = ""
            if showsTime { text += console.styled(line.at.description, .dim) + " " }
            if !isSingle { text += console.styled(line.instance, .cyan) + " | " }
            if let bytes = line.base64.flatMap({ Data(base64Encoded: $0) }) {
                // What is no text comes out as it went in.
                try console.print(Array(text.utf8) + bytes)
            } else {
                try console.print(text + console.styled(line.line, style(of: line)))
            }
        }
    }

    private func style(of line: LogLine) -> Console.Style? {
        if line.context == true { return .dim }
        return switch line.level {
        case "error", "critical": .red
        case "warning": .yellow
        default: nil
        }
    }
}
