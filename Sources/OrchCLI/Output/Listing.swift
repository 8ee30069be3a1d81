import FoundationEssentials
import OrchModel

/// A column of a table.
struct Column<Row>: Sendable {
    let title: String
    var isWide = false
    var style: @Sendable (Row) -> Console.Style? = { _ in nil }
    let value: @Sendable (Row) -> String

    init(
        _ title: String, wide: Bool = false, style: @escaping @Sendable (Row) -> Console.Style? = { _ in nil },
        _ value: @escaping @Sendable (Row) -> String
    ) {
        self.title = title
        isWide = wide
        self.style = style
        self.value = value
    }
}

extension Console {
    /// Prints rows in the format that was asked for. Tables are as wide as their content: nothing is cut.
    func list<Row: Encodable & Sendable>(_ rows: [Row], _ columns: [Column<Row>], name: (Row) -> String, empty: String)
        throws
    {
        switch format {
        case .table, .wide:
            if rows.isEmpty { note(empty) }
            try printTable(rows, columns.filter { format == .wide || !$0.isWide })
        case .json: try print(Self.json(rows, pretty: true))
        case .jsonl: for row in rows { try print(Self.json(row, pretty: false)) }
        case .yaml: try print(YAMLText.text(of: Self.value(of: rows)))
        case .name: for row in rows { try print(name(row)) }
        }
    }

    /// Prints one thing; a table of it is given by `lines`.
    func show(_ value: some Encodable, name: String, _ lines: () -> [String]) throws {
        switch format {
        case .table, .wide: for line in lines() { try print(line) }
        case .json: try print(Self.json(value, pretty: true))
        case .jsonl: try print(Self.json(value, pretty: false))
        case .yaml: try print(YAMLText.text(of: Self.value(of: value)))
        case .name: try print(name)
        }
    }

    /// A line for each key that differs.
    func lines(of changes: [PlanView.Change]) -> [String] {
        changes.map { change in
            switch (change.from, change.to) {
            case (nil, let to): styled("+ \(change.key): \(to ?? "")", .green)
            case (let from, nil): styled("- \(change.key): \(from ?? "")", .red)
            case (let from?, let to?): styled("~ \(change.key): \(from) -> \(to)", .yellow)
            }
        }
    }

    private func printTable<Row>(_ rows: [Row], _ columns: [Column<Row>]) throws {
        guard !rows.isEmpty else { return }
        let cells = rows.map { row in columns.map { $0.value(row) } }
        let widths = columns.indices.map { index in
            max(columns[index].title.count, cells.map { $0[index].count }.max() ?? 0)
        }
        func line(_ texts: [String], _ style: (Int) -> Style?) -> String {
            // Behind the last text of a line stands nothing.
            let last = texts.lastIndex { !$0.isEmpty } ?? 0
            return texts.indices.prefix(last + 1).map { index in
                let padding = String(repeating: " ", count: index == last ? 0 : widths[index] - texts[index].count + 2)
                return styled(texts[index], style(index)) + padding
            }.joined()
        }
        try print(line(columns.map(\.title)) { _ in .bold })
        for (row, texts) in zip(rows, cells) { try print(line(texts) { columns[$0].style(row) }) }
    }

    static func json(_ value: some Encodable, pretty: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func value(of value: some Encodable) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
    }
}

extension InstanceState {
    var style: Console.Style? {
        switch self {
        case .healthy, .running, .completed: .green
        case .failed, .unhealthy: .red
        case .backoff, .unknown: .yellow
        case .pending, .starting, .draining, .stopping: .cyan
        case .stopped: .dim
        }
    }
}

extension ServiceState {
    var style: Console.Style? {
        switch self {
        case .running, .completed: .green
        case .down: .red
        case .degraded: .yellow
        case .deploying: .cyan
        case .stopped: .dim
        }
    }
}
