import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let logsAnalyze = CommandSpec(
        name: "logs analyze", summary: "Show what a stretch of log is made of",
        discussion:
            "Lines are counted by level over time, and put into patterns in which <*> stands for what varies. Of a single service, patterns that were not there before its last deployment are marked as new. "
            + "The last hour is looked at unless --since says otherwise, and an hour before the deployment where that is earlier.",
        operands: [LogSelection.operand],
        options: LogSelection.options + [
            OptionSpec("top", nil, .integer(1...1000), "COUNT", "So many patterns and instances; 20 by default."),
            OptionSpec(
                "new-since", nil, .time, "TIME",
                "Patterns are new that were not seen before; the last deployment by default."),
        ],
        examples: ["orch logs analyze shop", "orch logs analyze --topic Request_Manager --since 24h -o json"]
    ) { invocation in
        let client = try invocation.client()
        var query = try await LogSelection.query(invocation, client)
        if try invocation.time("since") == nil {
            let hour = TimeSpan.seconds(3600)
            var since = Timestamp.now() - hour
            if let deployed = try await lastDeployment(query, client) { since = min(since, deployed - hour) }
            query.append(("since", since.description))
        }
        let top = try invocation.integer("top") ?? 20
        query.append(("patterns", String(top)))
        if let time = try invocation.time("new-since") { query.append(("new_since", time.description)) }
        let found = try await client.call(
            "GET", "/v1/logs/analysis", query: query, timeout: .seconds(600), as: LogAnalysisView.self)
        try invocation.console.show(found, name: String(found.lines)) {
            AnalysisReport(found, top: top, console: invocation.console).lines
        }
        return 0
    }

    /// When the service was deployed, where the query is about a single one.
    private static func lastDeployment(_ query: [(String, String)], _ client: AgentClient) async throws -> Timestamp? {
        let modules = query.filter { $0.0 == "module" }.map(\.1)
        guard modules.count == 1, let module = modules.first else { return nil }
        let history = try? await client.call("GET", "/v1/services/\(module)/history", as: HistoryView.self)
        return history?.revisions.first(where: \.isTarget)?.deployedAt
    }
}

/// An analysis for people.
private struct AnalysisReport {
    private static let levels = ["critical", "error", "warning", "notice", "info", "debug", "trace", "unknown"]

    private let found: LogAnalysisView
    private let top: Int
    private let console: Console

    init(_ found: LogAnalysisView, top: Int, console: Console) {
        self.found = found
        self.top = top
        self.console = console
    }

    var lines: [String] {
        guard let from = found.from, let until = found.until else { return ["no lines"] }
        var lines = [
            "\(found.lines) lines, \(ByteSize(bytes: Int64(found.bytes))), from \(Self.short(from)) to \(Self.short(until))"
        ]
        lines += counts + patterns + bursts + gaps + instances
        return lines
    }

    private var counts: [String] {
        var lines = ["", heading("LEVEL      COUNT    EVERY \(found.bucketWidth)")]
        for level in Self.levels {
            guard let count = found.levels[level] else { continue }
            let bars = Sparkline.text(found.buckets.map { $0.levels[level] ?? 0 })
            lines.append(
                console.styled(pad(level, 9), style(of: level)) + "  " + pad(String(count), 7) + "  " + bars)
        }
        return lines
    }

    private var patterns: [String] {
        let shown = found.patterns.filter { !$0.isNew }.prefix(top)
        let new = found.patterns.filter(\.isNew)
        var lines: [String] = []
        if let deployedAt = found.deployedAt, !new.isEmpty {
            lines += ["", heading("NEW SINCE \(Self.short(deployedAt))")] + new.map(line)
        }
        if !shown.isEmpty { lines += ["", heading("COUNT    LEVEL      LAST SEEN  PATTERN")] + shown.map(line) }
        if found.otherLines > 0 { lines.append("\(pad(String(found.otherLines), 7))  in further patterns") }
        return lines
    }

    private func line(_ pattern: LogAnalysisView.Pattern) -> String {
        pad(String(pattern.count), 7) + "  " + console.styled(pad(pattern.level, 9), style(of: pattern.level)) + "  "
            + pad(Self.time(pattern.last), 9) + "  " + pattern.template
    }

    private var bursts: [String] {
        guard !found.bursts.isEmpty else { return [] }
        return ["", heading("BURSTS OF ERRORS")]
            + found.bursts.map { "\(Self.short($0.from)) to \(Self.time($0.until)): \($0.errors) errors" }
    }

    private var gaps: [String] {
        guard !found.gaps.isEmpty else { return [] }
        return ["", heading("LONGEST SILENCES")]
            + found.gaps.map {
                let span = TimeSpan.milliseconds(($0.until - $0.from).milliseconds)
                return "\(pad("\(span)", 9))  \($0.instance)  from \(Self.short($0.from)), until: \($0.line)"
            }
    }

    private var instances: [String] {
        guard !found.instances.isEmpty else { return [] }
        return ["", heading("LINES    ERRORS   LOST     SUPPRESSED  INSTANCE")]
            + found.instances.prefix(top).map {
                [($0.lines, 7), ($0.errors, 7), ($0.lost, 7), ($0.suppressed, 10)].map { pad(String($0.0), $0.1) }
                    .joined(separator: "  ") + "  " + $0.instance
            }
    }

    private func heading(_ text: String) -> String { console.styled(text, .bold) }

    private func style(of level: String) -> Console.Style? {
        switch level {
        case "critical", "error": .red
        case "warning": .yellow
        default: nil
        }
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func short(_ time: Timestamp) -> String { time.rfc3339(decimals: 0) }
    private static func time(_ time: Timestamp) -> String { String(short(time).dropFirst(11).dropLast()) }
}
