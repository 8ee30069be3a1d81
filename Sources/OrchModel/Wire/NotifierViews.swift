/// An incident of the action and notification manager, as far as people see it.
package struct IncidentView: Codable, Sendable {
    package enum State: String, Codable, Sendable { case open, resolved }

    /// As in `i-42`.
    package var id: String
    package var rule: String
    package var module: String
    package var instance: String
    package var severity: String
    package var state: State
    /// How many have matched.
    package var count: Int
    /// What was seen last.
    package var text: String
    package var openedAt: Timestamp
    package var resolvedAt: Timestamp?
    package var acknowledgedBy: String?

    package enum CodingKeys: String, CodingKey {
        case id, rule, module, instance, severity, state, count, text
        case openedAt = "opened_at"
        case resolvedAt = "resolved_at"
        case acknowledgedBy = "acknowledged_by"
    }
}

/// A channel of notifications.
package struct ChannelView: Codable, Sendable {
    package var name: String
    package var type: String
    /// Messages that have not arrived yet.
    package var waiting: Int

    package init(name: String, type: String, waiting: Int) {
        self.name = name
        self.type = type
        self.waiting = waiting
    }
}

/// For a while nobody is told of what matches.
package struct Silence: Codable, Sendable, Equatable {
    package var id: String
    /// Patterns with `*`; empty for any.
    package var rule: String
    package var module: String
    package var until: Timestamp
    package var reason: String

    package init(id: String, rule: String, module: String, until: Timestamp, reason: String) {
        self.id = id
        self.rule = rule
        self.module = module
        self.until = until
        self.reason = reason
    }
}

/// What somebody was told, or was done.
package struct NotificationRecord: Codable, Sendable {
    package enum Kind: String, Codable, Sendable {
        case opened, resolved, sent, failed, acted, refused, acknowledged, silenced
    }

    package var at: Timestamp
    package var kind: Kind
    package var incident: String
    package var text: String

    package init(at: Timestamp, kind: Kind, incident: String, text: String) {
        self.at = at
        self.kind = kind
        self.incident = incident
        self.text = text
    }
}

/// A rule as far as people see it.
package struct RuleView: Codable, Sendable {
    package var name: String
    package var severity: String
    package var advice: String
}

/// The file that the notifier's channels and rules come from.
package struct NotifierFileView: Codable, Sendable {
    package var path: String
    package var text: String
    /// Whether it is changed by applying another one, and not where it lies.
    package var isKept: Bool

    package init(path: String, text: String, isKept: Bool) {
        self.path = path
        self.text = text
        self.isKept = isKept
    }

    package enum CodingKeys: String, CodingKey {
        case path, text
        case isKept = "kept"
    }
}
