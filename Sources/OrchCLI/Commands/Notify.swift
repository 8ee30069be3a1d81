import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

/// What the action and notification manager is asked, through the agent.
private enum NotifierDoor {
    static let path = "/v1/modules/action-notification/api/v1"
}

extension CommandSpec {
    static let notifyList = CommandSpec(
        name: "notify ls", summary: "List incidents that are open",
        options: [OptionSpec("all", "a", "Also those that are over.")],
        examples: ["orch notify ls", "orch notify ls --all -o json"]
    ) { invocation in
        let rows: [IncidentView] = try await invocation.client().call(
            "GET", "\(NotifierDoor.path)/incidents", query: [("all", String(try invocation.flag("all")))])
        let columns: [Column<IncidentView>] = [
            Column("INCIDENT") { $0.id },
            Column("SEVERITY") { $0.severity },
            Column("RULE") { $0.rule },
            Column("MODULE") { $0.module.isEmpty ? "-" : $0.module },
            Column("STATE") { $0.acknowledgedBy == nil || $0.state != .open ? $0.state.rawValue : "acknowledged" },
            Column("SINCE") { $0.openedAt.rfc3339(decimals: 0) },
            Column("COUNT") { String($0.count) },
            Column("LAST") { $0.text },
        ]
        try invocation.console.list(rows, columns, name: { $0.id }, empty: "no incidents")
        return 0
    }

    static let notifyChannels = CommandSpec(
        name: "notify channels", summary: "List the channels of notifications, and what waits in them",
        examples: ["orch notify channels"]
    ) { invocation in
        let rows: [ChannelView] = try await invocation.client().call("GET", "\(NotifierDoor.path)/channels")
        let columns: [Column<ChannelView>] = [
            Column("CHANNEL") { $0.name }, Column("TYPE") { $0.type }, Column("WAITING") { String($0.waiting) },
        ]
        try invocation.console.list(rows, columns, name: { $0.name }, empty: "no channels: add some to notifier.yaml")
        return 0
    }

    static let notifyTest = CommandSpec(
        name: "notify test", summary: "Send a message by a channel, to try it",
        discussion: "'orch notify history' tells whether it arrived.",
        operands: [OperandSpec("CHANNEL", "Name of the channel.")],
        examples: ["orch notify test mail"]
    ) { invocation in
        let name = invocation.operands[0]
        let _: JSONValue = try await invocation.client().call(
            "POST", "\(NotifierDoor.path)/channels/\(name.percentEncoded)/test")
        invocation.console.note("a test goes to \(name)")
        return 0
    }

    static let notifyAcknowledge = CommandSpec(
        name: "notify ack",
        summary: "Say that somebody looks after an incident: it is neither escalated nor told again",
        operands: [OperandSpec("INCIDENT", repeats: true, "As in i-42.")],
        examples: ["orch notify ack i-42"]
    ) { invocation in
        let client = try invocation.client()
        let who = invocation.environment["USER"] ?? "somebody"
        for id in invocation.operands {
            let incident: IncidentView = try await client.call(
                "POST", "\(NotifierDoor.path)/incidents/\(id.percentEncoded)/ack", body: ["by": who])
            invocation.console.note("\(incident.id) is acknowledged by \(incident.acknowledgedBy ?? who)")
        }
        return 0
    }

    static let notifySilence = CommandSpec(
        name: "notify silence", summary: "Tell nobody of some incidents for a while; without options list the silences",
        options: [
            OptionSpec("for", nil, .duration, "SPAN", "How long."),
            OptionSpec("rule", nil, .text, "RULE", "Only of this rule; * stands for any characters."),
            OptionSpec("module", "m", .text, "MODULE", names: .modules, "Only of this module; * as above."),
            OptionSpec("reason", nil, .text, "TEXT", "Why, for others."),
            OptionSpec("end", nil, .text, "SILENCE", "End this one instead, as in s-17."),
        ],
        examples: ["orch notify silence --for 2h --module shop --reason 'moving the database'", "orch notify silence"]
    ) { invocation in
        let client = try invocation.client()
        if let id = try invocation.text("end") {
            let _: JSONValue = try await client.call(
                "DELETE", "\(NotifierDoor.path)/silences/\(id.percentEncoded)")
            return 0
        }
        guard let span = try invocation.duration("for") else {
            let rows: [Silence] = try await client.call("GET", "\(NotifierDoor.path)/silences")
            let columns: [Column<Silence>] = [
                Column("SILENCE") { $0.id }, Column("RULE") { $0.rule.isEmpty ? "*" : $0.rule },
                Column("MODULE") { $0.module.isEmpty ? "*" : $0.module },
                Column("UNTIL") { $0.until.rfc3339(decimals: 0) }, Column("REASON") { $0.reason },
            ]
            try invocation.console.list(rows, columns, name: { $0.id }, empty: "no silences")
            return 0
        }
        let body: [String: String] = [
            "span": span.description, "rule": try invocation.text("rule") ?? "",
            "module": try invocation.text("module") ?? "", "reason": try invocation.text("reason") ?? "",
        ]
        let silence: Silence = try await client.call("POST", "\(NotifierDoor.path)/silences", body: body)
        try invocation.console.show(silence, name: silence.id) {
            ["\(silence.id) until \(silence.until.rfc3339(decimals: 0))"]
        }
        return 0
    }

    static let notifyHistory = CommandSpec(
        name: "notify history", summary: "Show what was told and done",
        options: [OptionSpec("limit", "n", .integer(1...1000), "COUNT", "How many; 50 by default.")],
        examples: ["orch notify history -n 10"]
    ) { invocation in
        let limit = try invocation.integer("limit") ?? 50
        let rows: [NotificationRecord] = try await invocation.client().call(
            "GET", "\(NotifierDoor.path)/history", query: [("limit", String(limit))])
        let columns: [Column<NotificationRecord>] = [
            Column("AT") { $0.at.rfc3339(decimals: 3) }, Column("WHAT") { $0.kind.rawValue },
            Column("INCIDENT") { $0.incident.isEmpty ? "-" : $0.incident }, Column("TEXT") { $0.text },
        ]
        try invocation.console.list(rows, columns, name: { $0.incident }, empty: "nothing yet")
        return 0
    }

    static let notifyRules = CommandSpec(
        name: "notify rules", summary: "Show the rules that hold, or check or apply a file with channels and rules",
        discussion:
            "'orch notify rules check FILE' prints every mistake with its line; status 2 when there is one. 'orch notify rules apply FILE' has the notifier keep it and use it at once.",
        operands: [
            OperandSpec("check|apply", optional: true, "What to do with a file."),
            OperandSpec("FILE", optional: true, "The file."),
        ],
        examples: [
            "orch notify rules", "orch notify rules check notifier.yaml", "orch notify rules apply notifier.yaml",
        ]
    ) { invocation in
        let client = try invocation.client()
        guard let word = invocation.operands.first else {
            let rules: [RuleView] = try await client.call("GET", "\(NotifierDoor.path)/rules")
            let columns: [Column<RuleView>] = [
                Column("RULE") { $0.name }, Column("SEVERITY") { $0.severity }, Column("ADVICE") { $0.advice },
            ]
            try invocation.console.list(rules, columns, name: { $0.name }, empty: "no rules")
            return 0
        }
        guard ["check", "apply"].contains(word), invocation.operands.count == 2 else {
            throw OrchError(.invalidRequest, "say 'orch notify rules check FILE' or 'apply FILE'")
        }
        let path = invocation.operands[1]
        let file = try ModuleOperand.read(invocation.absolute(path))
        let mistakes: [FileMistake] = try await client.call(
            "POST", "\(NotifierDoor.path)/rules/\(word)", body: ["file": file, "path": path])
        for mistake in mistakes {
            StandardStream.error.write("\(path):\(mistake.line):\(mistake.column): \(mistake.message)\n")
        }
        if mistakes.isEmpty { invocation.console.note("\(path) is \(word == "check" ? "right" : "applied")") }
        return mistakes.isEmpty ? 0 : OrchError.Code.invalidRequest.exitStatus
    }
}
