import FoundationEssentials
import OrchModel
import OrchModuleFile
import OrchSystem

/// Reads `notifier.yaml`.
enum NotifierFile {
    static let fileName = "notifier.yaml"

    /// The file's settings, with the rules that ship.
    ///
    /// - Throws: ``ModuleFileError`` with every mistake and its place.
    static func parse(_ text: String, path: String) throws(ModuleFileError) -> NotifierSettings {
        var settings = try decode(text, path: path)
        let shipped = try decode(ShippedRules.file, path: "the rules that ship").rules
        let own = Set(settings.rules.map(\.name))
        settings.rules += shipped.filter { !own.contains($0.name) && !settings.disable.contains($0.name) }
        try check(settings, shipped: Set(shipped.map(\.name)), text, path)
        return settings
    }

    private static func decode(_ text: String, path: String) throws(ModuleFileError) -> NotifierSettings {
        let isEmpty = text.split(separator: "\n").allSatisfy { $0.drop { $0 == " " }.first.map { $0 == "#" } ?? true }
        let json = try SchemaFile.read(
            isEmpty ? "channels: []" : text, path: path, subject: "a rules file", keys: NotifierSchema.keys)
        do {
            return try JSONDecoder().decode(NotifierSettings.self, from: JSONEncoder().encode(json))
        } catch {
            throw ModuleFileError(diagnostics: [Diagnostic(file: path, line: 1, column: 1, message: "\(error)")])
        }
    }

    // MARK: What concerns several keys

    private static func check(_ settings: NotifierSettings, shipped: Set<String>, _ text: String, _ path: String)
        throws(ModuleFileError)
    {
        var found: [Diagnostic] = []
        func report(_ name: String, _ message: String) {
            found.append(Diagnostic(file: path, line: line(of: name, in: text), column: 1, message: message))
        }
        let channels = settings.channels.map(\.name)
        for (name, count) in Dictionary(grouping: channels, by: \.self).mapValues(\.count) where count > 1 {
            report(name, "there are \(count) channels called \(name)")
        }
        for channel in settings.channels {
            if let message = mistake(in: channel) { report(channel.name, "channel \(channel.name) \(message)") }
        }
        for (name, count) in Dictionary(grouping: settings.rules.map(\.name), by: \.self).mapValues(\.count)
        where count > 1 {
            report(name, "there are \(count) rules called \(name)")
        }
        for name in settings.disable where !shipped.contains(name) {
            report(name, "no rule \(name.quotedOneLine) ships: known are \(shipped.sorted().joined(separator: ", "))")
        }
        for rule in settings.rules {
            for channel in rule.notify + rule.escalate.notify where !channels.contains(channel) {
                let hint = nearest(to: channel, in: channels).map { "; did you mean \($0)?" } ?? ""
                report(
                    rule.name, "rule \(rule.name) names the channel \(channel.quotedOneLine), which is not there\(hint)"
                )
            }
            if let message = mistake(in: rule) { report(rule.name, "rule \(rule.name) \(message)") }
        }
        for channel in settings.notify where !channels.contains(channel) {
            report(channel, "'notify' names the channel \(channel.quotedOneLine), which is not there")
        }
        if !found.isEmpty { throw ModuleFileError(diagnostics: found) }
    }

    /// The line that first names something.
    static func line(of name: String, in text: String) -> Int {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return
            (lines.firstIndex { $0.contains("name: \(name)") || $0.contains("name: \"\(name)\"") }
            ?? lines.firstIndex { $0.contains(name) } ?? 0) + 1
    }

    private static func mistake(in channel: ChannelSettings) -> String? {
        switch channel.type {
        case .webhook, .slack, .mattermost, .ntfy, .gotify:
            if !channel.url.isEmpty, !channel.urlFile.isEmpty { return "has both 'url' and 'url_file': one is enough" }
            if channel.urlFile.isEmpty, !WebhookChannel.isAddress(channel.url) {
                return "needs a 'url' that begins with http:// or https://, or a 'url_file' that holds one"
            }
            if channel.type == .gotify, channel.secretFile.isEmpty { return "needs 'secret_file' with its token" }
        case .email:
            guard channel.server.split(separator: ":").count == 2,
                channel.server.split(separator: ":").last.flatMap({ UInt16($0) }) != nil
            else { return "needs 'server' with host and port, as in mail.example.com:587" }
            guard isAddress(channel.from) else { return "needs 'from', as in orch@example.com" }
            guard !channel.to.isEmpty, channel.to.allSatisfy(isAddress) else {
                return "needs 'to' with addresses, as in ops@example.com"
            }
            if !channel.user.isEmpty, channel.secretFile.isEmpty { return "has a 'user', so it needs 'secret_file'" }
            if !channel.user.isEmpty, channel.security == .none {
                return "would send its password in the open: set 'security'"
            }
        case .command: if channel.command.isEmpty { return "needs a 'command'" }
        case .kafka: if TopicName(rawValue: channel.topic) == nil { return "needs the name of a 'topic'" }
        }
        if channel.quiet.from.isEmpty != channel.quiet.to.isEmpty { return "needs both 'quiet.from' and 'quiet.to'" }
        do throws(OrchError) { _ = try TimeZoneRules(named: channel.quiet.timeZone) } catch {
            return "has a wrong 'quiet.time_zone': \(error.message)"
        }
        for time in [channel.quiet.from, channel.quiet.to] where !time.isEmpty && ClockTime(time) == nil {
            return "has \(time.quotedOneLine) in 'quiet', which is no time, as in 22:00"
        }
        return nil
    }

    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
    }

    private static func mistake(in rule: Rule) -> String? {
        let match = rule.match
        if !match.isOfLines, !match.topics.isEmpty || !match.fields.isEmpty || !match.level.isEmpty {
            return "is about events, so 'topics', 'level' and 'fields' mean nothing: leave 'events' out for lines"
        }
        if match.isOfLines, match.level.isEmpty, match.pattern.isEmpty, match.fields.isEmpty,
            rule.threshold.absence == .zero
        {
            return "would match every line: say 'level', 'pattern' or 'fields', or name 'events'"
        }
        if rule.threshold.newPattern, !match.isOfLines { return "is about events: 'new_pattern' is for lines" }
        if rule.act.action == .run, rule.act.module.isEmpty { return "runs a job: 'act.module' must say which" }
        if rule.act.action != .none, rule.groupBy == .rule, rule.act.module.isEmpty {
            return "acts on no module: group by module, or say 'act.module'"
        }
        if rule.escalate.after > .zero, rule.escalate.notify.isEmpty {
            return "escalates to nobody: say 'escalate.notify'"
        }
        return nil
    }
}
