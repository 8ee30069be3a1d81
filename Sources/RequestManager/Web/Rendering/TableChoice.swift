import OrchModel

/// What part of a long table is shown: found, sorted, and a page of it, as the address says.
struct TableChoice {
    static let rowsPerPage = 100

    typealias Column = (name: String, title: String, isNumber: Bool)

    let address: PageAddress
    let columns: [Column]
    /// In small letters; empty for none.
    let search: String

    init(address: PageAddress, columns: [Column]) {
        self.address = address
        self.columns = columns
        search = address["q"]?.lowercased() ?? ""
    }

    private var page: Int { max(1, Int(address["page"] ?? "") ?? 1) }
    var isDescending: Bool { address["order"] == "down" }
    /// The column it is sorted by; `nil` for the table's own order.
    var sort: String? { columns.contains { $0.name == address["sort"] } ? address["sort"] : nil }

    /// Sorts by the chosen column, which is the text or number that `key` gives.
    func sorted<Row>(_ rows: [Row], by key: (Row, String) -> SortKey) -> [Row] {
        guard let sort else { return rows }
        let keyed = rows.map { ($0, key($0, sort)) }
        return keyed.sorted { isDescending ? $1.1 < $0.1 : $0.1 < $1.1 }.map(\.0)
    }

    /// The rows of the page.
    func page<Row>(of rows: [Row]) -> ArraySlice<Row> {
        let first = min((pageNumber(of: rows.count) - 1) * Self.rowsPerPage, rows.count)
        return rows[first..<min(first + Self.rowsPerPage, rows.count)]
    }

    private func pageCount(of rows: Int) -> Int { max(1, (rows + Self.rowsPerPage - 1) / Self.rowsPerPage) }
    private func pageNumber(of rows: Int) -> Int { min(page, pageCount(of: rows)) }

    /// The head of the table, with links that sort, and the links to other pages.
    func fields(rows count: Int) -> Fields {
        let (number, last) = (pageNumber(of: count), pageCount(of: count))
        return Fields(present: [
            "columns": columns.map { column in
                let isChosen = column.name == sort
                return [
                    "title": column.title, "number": column.isNumber,
                    "link": address.with([
                        "sort": column.name, "order": isChosen && !isDescending ? "down" : nil, "page": nil,
                    ]),
                    "order": isChosen ? (isDescending ? "descending" : "ascending") : "none",
                    "arrow": isChosen ? (isDescending ? "▾" : "▴") : "",
                ] as Fields
            },
            "count": count, "page": number, "pages": last, "paged": last > 1,
            "before": number > 1 ? address.with(["page": "\(number - 1)"]) : nil,
            "after": number < last ? address.with(["page": "\(number + 1)"]) : nil,
        ])
    }
}

/// What a table can be sorted by.
enum SortKey: Comparable {
    case number(Double)
    case text(String)

    static func < (left: SortKey, right: SortKey) -> Bool {
        switch (left, right) {
        case (.number(let one), .number(let other)): one < other
        case (.text(let one), .text(let other)): one < other
        case (.number, .text): true
        case (.text, .number): false
        }
    }
}
