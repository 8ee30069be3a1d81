import FoundationEssentials
import Mustache
import OrchModel

/// What notifications look like.
extension Notification {
    /// One for several, which the worst leads that goes on.
    ///
    /// - Parameter all: one at least, in the order of what happened.
    init(together all: [Notification]) {
        let ranks = all.map { $0.occasion == .resolved ? nil : $0.incident.severity }
        let lead = ranks.indices.reduce(0) { best, index in
            guard let severity = ranks[index] else { return best }
            return ranks[best].map { $0 >= severity } == true ? best : index
        }
        self = all[lead]
        let others = all.indices.filter { $0 != lead }.map { all[$0] }
        more = others.isEmpty ? nil : others
    }

    /// One line for everybody.
    var subject: String {
        let mark =
            switch occasion {
            case .opened: incident.severity.rawValue.uppercased()
            case .reminder: "STILL \(incident.severity.rawValue.uppercased())"
            case .escalated: "ESCALATED"
            case .resolved: "RESOLVED"
            }
        let others = more.map { ", and \($0.count) more" } ?? ""
        return "[\(mark)] \(title)\(others)"
    }

    /// Everything, as plain text.
    var body: String {
        var lines = [title, ""]
        lines.append("rule      \(incident.rule), \(incident.severity.rawValue)")
        if !incident.module.isEmpty { lines.append("module    \(incident.module)") }
        if !incident.instance.isEmpty { lines.append("instance  \(incident.instance)") }
        lines.append("since     \(incident.openedAt)")
        if let end = incident.resolvedAt {
            lines.append("over      \(end), after \(end - incident.openedAt)")
        }
        lines.append("seen      \(incident.count) times, last: \(incident.text)")
        if !lastLines.isEmpty { lines += [""] + lastLines.map { "  | \($0)" } }
        if occasion != .resolved {
            if !advice.isEmpty { lines += ["", "next      \(advice)"] }
            lines.append("          acknowledge: orch notify ack \(incident.id)")
        }
        for other in more ?? [] { lines += ["", "----", "", other.subject, other.body.dropLast().description] }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: String {
        get throws(OrchError) {
            do {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                return String(decoding: try encoder.encode(self), as: UTF8.self)
            } catch {
                throw OrchError(.invalidRequest, "a notification cannot be written", cause: error)
            }
        }
    }

    /// What templates can name.
    func values(escaped: (String) -> String = { $0 }) -> [String: String] {
        [
            "id": id, "occasion": occasion.rawValue, "title": title, "subject": subject, "body": body, "advice": advice,
            "rule": incident.rule, "severity": incident.severity.rawValue, "state": incident.state.rawValue,
            "module": incident.module, "instance": incident.instance, "incident": incident.id,
            "count": String(incident.count), "text": incident.text, "opened_at": "\(incident.openedAt)",
            "resolved_at": incident.resolvedAt.map { "\($0)" } ?? "", "last_lines": lastLines.joined(separator: "\n"),
        ].mapValues(escaped)
    }
}

/// A Mustache template whose values are texts.
struct TextTemplate: Sendable {
    private let template: MustacheTemplate

    /// - Throws: `invalidRequest` with the place of the mistake.
    init(_ text: String) throws(OrchError) {
        do {
            // Nothing is HTML here.
            template = try MustacheTemplate(string: "{{%CONTENT_TYPE:TEXT}}" + text)
        } catch {
            throw OrchError(.invalidRequest, "the template \(text.quotedOneLine) is wrong: \(error)", cause: error)
        }
    }

    func render(_ values: [String: String]) -> String { template.render(values) }
}
