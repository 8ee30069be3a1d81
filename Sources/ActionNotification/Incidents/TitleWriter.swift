import OrchModel

/// Fills the titles and the advice of rules in.
struct TitleWriter: Sendable {
    private let titles: [String: TextTemplate]
    private let advice: [String: TextTemplate]

    /// - Throws: `invalidRequest` for a template that is none.
    init(_ rules: [Rule]) throws(OrchError) {
        var titles: [String: TextTemplate] = [:]
        var advice: [String: TextTemplate] = [:]
        for rule in rules {
            if !rule.title.isEmpty { titles[rule.name] = try TextTemplate(rule.title) }
            if !rule.advice.isEmpty { advice[rule.name] = try TextTemplate(rule.advice) }
        }
        self.titles = titles
        self.advice = advice
    }

    func title(of incident: Incident) -> String {
        let subject = incident.module.isEmpty ? "" : " of \(incident.module)"
        let title = titles[incident.rule]?.render(values(incident)) ?? "\(incident.rule)\(subject): \(incident.text)"
        // It becomes a header field, and a variable of a program.
        return String(
            String.UnicodeScalarView(title.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    func advice(of incident: Incident) -> String { advice[incident.rule]?.render(values(incident)) ?? "" }

    private func values(_ incident: Incident) -> [String: String] {
        [
            "rule": incident.rule, "module": incident.module, "instance": incident.instance,
            "severity": incident.severity.rawValue, "text": incident.text, "count": String(incident.count),
            "incident": incident.id,
        ]
    }
}
