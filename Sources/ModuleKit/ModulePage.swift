/// The page of a module of the control plane, at `/ui/` of its address: what it does, for whoever may open that address. What
/// may hold secrets, such as addresses that are called, is left to the pages of the agent, for which one signs in.
package struct ModulePage: Sendable {
    package struct Table: Sendable {
        var heading: String
        var columns: [String]
        var rows: [[String]]
        /// Said where there are no rows.
        var empty: String

        package init(heading: String, columns: [String], rows: [[String]], empty: String) {
            self.heading = heading
            self.columns = columns
            self.rows = rows
            self.empty = empty
        }
    }

    var title: String
    var tables: [Table]

    package init(title: String, tables: [Table]) {
        self.title = title
        self.tables = tables
    }

    /// So many rows of a table are shown.
    private static let mostRows = 500
    private static let style = """
        :root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; } body { max-width: 70rem; margin: 0 auto; \
        padding: 1rem; } table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; \
        border-bottom: 1px solid #8888; } .scroll { overflow-x: auto; }
        """
    /// Nothing but its own style counts in the page.
    static let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

    var html: String {
        var text = """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
            <meta name="viewport" content="width=device-width, initial-scale=1"><title>\(Self.escaped(title)) · orch</title>
            <style>\(Self.style)</style></head><body><h1>\(Self.escaped(title))</h1>

            """
        for table in tables {
            text += "<h2>\(Self.escaped(table.heading))</h2>\n"
            guard !table.rows.isEmpty else {
                text += "<p>\(Self.escaped(table.empty))</p>\n"
                continue
            }
            text += "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>"
            text +=
                table.columns.map { "<th scope=\"col\">\(Self.escaped($0))</th>" }.joined() + "</tr></thead><tbody>\n"
            for row in table.rows.prefix(Self.mostRows) {
                text += "<tr>\(row.map { "<td>\(Self.escaped($0))</td>" }.joined())</tr>\n"
            }
            text += "</tbody></table></div>\n"
            if table.rows.count > Self.mostRows {
                text += "<p>The first \(Self.mostRows) of \(table.rows.count).</p>\n"
            }
        }
        return text + "<p>'orch ui' opens the pages on which this is changed.</p></body></html>\n"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
