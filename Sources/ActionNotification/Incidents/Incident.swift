import OrchModel

/// Something that is wrong, from its beginning to its end.
struct Incident: Codable, Sendable, Equatable {
    typealias State = IncidentView.State

    /// As in `i-42`.
    var id: String
    var rule: String
    /// What it concerns, as the rule groups.
    var group: String
    var module: String
    var instance: String
    var severity: Severity
    var state = State.open
    var openedAt: Timestamp
    var lastAt: Timestamp
    var resolvedAt: Timestamp?
    /// How many have matched.
    var count: Int
    /// What was seen last.
    var text: String
    var acknowledgedAt: Timestamp?
    var acknowledgedBy: String?
    var escalatedAt: Timestamp?
    var remindedAt: Timestamp?
    /// Nobody was told, because of a silence.
    var isSilenced = false

    enum CodingKeys: String, CodingKey {
        case id, rule, group, module, instance, severity, state, count, text
        case openedAt = "opened_at"
        case lastAt = "last_at"
        case resolvedAt = "resolved_at"
        case acknowledgedAt = "acknowledged_at"
        case acknowledgedBy = "acknowledged_by"
        case escalatedAt = "escalated_at"
        case remindedAt = "reminded_at"
        case isSilenced = "silenced"
    }
}

extension Silence {
    func covers(_ incident: Incident, at now: Timestamp) -> Bool {
        now < until && (rule.isEmpty || RuleMatcher.matches(rule, incident.rule))
            && (module.isEmpty || RuleMatcher.matches(module, incident.module))
    }
}

/// What somebody is told of an incident.
enum Occasion: String, Codable, Sendable { case opened, reminder, escalated, resolved }
