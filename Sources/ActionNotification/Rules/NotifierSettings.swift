import OrchModel

/// What `notifier.yaml` says, with every default filled in (``NotifierSchema`` holds the defaults).
struct NotifierSettings: Codable, Sendable, Equatable {
    var channels: [ChannelSettings]
    var rules: [Rule]
    /// Names of rules that ship and are not wanted.
    var disable: [String]
    /// Channels of rules that name none.
    var notify: [String]
}

/// Where notifications go.
struct ChannelSettings: Codable, Sendable, Equatable {
    enum Kind: String, Codable, Sendable, CaseIterable {
        case email, webhook, slack, mattermost, ntfy, gotify, command, kafka
    }

    enum Security: String, Codable, Sendable, CaseIterable {
        case none, starttls, tls
    }

    /// Times of the day in which only what is bad enough is sent; the rest comes afterwards.
    struct QuietHours: Codable, Sendable, Equatable {
        /// `HH:MM`; empty for none.
        var from: String
        var to: String
        var timeZone: String
        /// What is sent all the same.
        var except: Severity

        enum CodingKeys: String, CodingKey {
            case from, to, except
            case timeZone = "time_zone"
        }
    }

    /// The most that is sent in a time; what is above waits.
    struct Rate: Codable, Sendable, Equatable {
        var most: Int
        var within: TimeSpan
    }

    var name: String
    var type: Kind
    var url: String
    /// Instead: a file that holds it; read at each use.
    var urlFile: String
    /// For webhooks: a Mustache template of the body; the notification as JSON by default.
    var template: String
    /// A file with the key of the signature, the token or the password; read at each use.
    var secretFile: String
    /// For email: `host:port`.
    var server: String
    var security: Security
    /// PEM, besides the system's own.
    var caFile: String
    var user: String
    var from: String
    var to: [String]
    var command: [String]
    var topic: String
    var quiet: QuietHours
    var rate: Rate
    /// What comes in so long after a message is sent in one.
    var together: TimeSpan
    var timeout: TimeSpan

    enum CodingKeys: String, CodingKey {
        case name, type, url, template, server, security, user, from, to, command, topic, quiet, rate, together
        case timeout
        case urlFile = "url_file"
        case secretFile = "secret_file"
        case caFile = "ca_file"
    }
}

enum Severity: String, Codable, Sendable, CaseIterable, Comparable {
    case info, warning, critical

    static func < (left: Severity, right: Severity) -> Bool {
        allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
    }
}

/// When something is an incident, and what is done then.
struct Rule: Codable, Sendable, Equatable {
    struct Match: Codable, Sendable, Equatable {
        /// Kinds of events, as in `instance.exited`; a star stands for any characters. None for log lines.
        var events: [String]
        /// Topics of log lines.
        var topics: [String]
        var modules: [String]
        var labels: [String: String]
        /// Of a line: this bad at least; empty for any.
        var level: String
        /// A regular expression in the line, or in the event's message.
        var pattern: String
        /// Fields of JSON and logfmt lines.
        var fields: [String: String]

        var isOfLines: Bool { events.isEmpty }
    }

    struct Threshold: Codable, Sendable, Equatable {
        /// So many, within a time.
        var count: Int
        var within: TimeSpan
        /// Nothing for so long; zero for no such watch.
        var absence: TimeSpan
        /// Only lines of a pattern that was not seen before the last deploy of the module.
        var newPattern: Bool

        enum CodingKeys: String, CodingKey {
            case count, within, absence
            case newPattern = "new_pattern"
        }
    }

    enum Group: String, Codable, Sendable, CaseIterable { case module, instance, rule }

    struct Resolve: Codable, Sendable, Equatable {
        /// Kinds of events after which it is over.
        var events: [String]
        /// It is over when nothing has come for so long; zero for never by itself.
        var quiet: TimeSpan
    }

    struct Action: Codable, Sendable, Equatable {
        enum Kind: String, Codable, Sendable, CaseIterable { case none, restart, scale, stop, rollback, run }
        var action: Kind
        /// What it acts on; the module of the incident by default. For `run`: the job.
        var module: String
        /// For `scale`.
        var replicas: Int
        var cooldown: TimeSpan
        /// At most so often within a time.
        var most: Int
        var within: TimeSpan
        /// Only says what it would do.
        var dryRun: Bool

        enum CodingKeys: String, CodingKey {
            case action, module, replicas, cooldown, most, within
            case dryRun = "dry_run"
        }
    }

    /// What happens when nobody acknowledges.
    struct Escalation: Codable, Sendable, Equatable {
        /// Zero for never.
        var after: TimeSpan
        var notify: [String]
    }

    var name: String
    var match: Match
    var threshold: Threshold
    var groupBy: Group
    var severity: Severity
    var resolve: Resolve
    var notify: [String]
    var act: Action
    var escalate: Escalation
    /// Told again while it goes on; zero for never.
    var remind: TimeSpan
    /// A Mustache template of the first line; empty for what the rule is called.
    var title: String
    /// What to do next, for people.
    var advice: String

    enum CodingKeys: String, CodingKey {
        case name, match, threshold, severity, resolve, notify, act, escalate, remind, title, advice
        case groupBy = "group_by"
    }
}
