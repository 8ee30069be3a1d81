package import OrchModel

/// Looks into lines. The executable joins it to the logging module.
package protocol LineMatching: Sendable {
    /// - Parameters:
    ///   - pattern: a regular expression; empty for any text.
    ///   - fields: of JSON and logfmt lines.
    /// - Throws: `invalidRequest` for a pattern that is none.
    func matcher(pattern: String, fields: [String: String]) throws(OrchError) -> @Sendable (String) -> Bool

    /// A line without what varies from one to the next, such as numbers and times.
    func shape(of line: String) -> String
}

/// A rule, ready to be asked about what was seen.
struct RuleMatcher: Sendable {
    private static let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

    let rule: Rule
    private let matches: @Sendable (String) -> Bool
    private let lowestLevel: Int

    /// - Throws: `invalidRequest` for a pattern that is none.
    init(_ rule: Rule, _ matching: any LineMatching) throws(OrchError) {
        self.rule = rule
        do throws(OrchError) {
            matches = try matching.matcher(pattern: rule.match.pattern, fields: rule.match.fields)
        } catch {
            throw OrchError(error.code, "rule \(rule.name): \(error.message)", cause: error)
        }
        lowestLevel = Self.levels.firstIndex(of: rule.match.level) ?? 0
    }

    func matches(_ seen: Observation) -> Bool {
        guard isMeant(seen) else { return false }
        switch seen.kind {
        case .event(let kind):
            return rule.match.events.contains { Self.matches($0, kind) } && matches(seen.text)
        case .line(let level, let topic, let isNewPattern):
            guard rule.match.isOfLines, !rule.threshold.newPattern || isNewPattern,
                Self.levels.firstIndex(of: level) ?? 2 >= lowestLevel,
                rule.match.topics.isEmpty || rule.match.topics.contains(where: { Self.matches($0, topic) })
            else { return false }
            return matches(seen.text)
        }
    }

    /// Whether an event says that an incident of this rule is over.
    func resolves(_ seen: Observation) -> Bool {
        guard case .event(let kind) = seen.kind, isMeant(seen) else { return false }
        return rule.resolve.events.contains { Self.matches($0, kind) }
    }

    /// What has an incident of its own.
    func group(of seen: Observation) -> String {
        switch rule.groupBy {
        case .rule: ""
        case .module: seen.module
        case .instance: seen.instance.isEmpty ? seen.module : seen.instance
        }
    }

    private func isMeant(_ seen: Observation) -> Bool {
        (rule.match.modules.isEmpty || rule.match.modules.contains { Self.matches($0, seen.module) })
            && rule.match.labels.allSatisfy { seen.labels[$0.key] == $0.value }
    }

    /// `*` stands for any characters, also for none.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == text }
        guard text.hasPrefix(first), text.hasSuffix(last), text.utf8.count >= first.utf8.count + last.utf8.count else {
            return false
        }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}
