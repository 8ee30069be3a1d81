package import OrchModel

/// Which lines somebody wants to see.
package struct LogQuery: Sendable {
    package var topics: [TopicName]
    /// Only these instances; empty for all.
    package var instances: Set<String> = []
    /// Only the last so many lines; `nil` for all.
    package var tail: Int?
    package var since: Timestamp?
    package var until: Timestamp?
    package var follow = false
    /// A regular expression that a line must contain.
    package var pattern: String?
    /// Lines of at least this level. Lines without a level count as `info`.
    package var level: LogLevel?

    package init(topics: [TopicName]) { self.topics = topics }
}

/// Decides for each record whether it is shown, and puts the parts of long lines together again.
struct LineFilter {
    /// A line is cut off behind so many bytes.
    static let longestLine = 1 << 20

    private let query: LogQuery
    private let regex: Regex<AnyRegexOutput>?
    private var lastEntries: [String: Int64] = [:]
    private var parts: [String: [UInt8]] = [:]

    /// - Throws: `invalidRequest` for a pattern that is no regular expression.
    init(_ query: LogQuery) throws(OrchError) {
        self.query = query
        do {
            regex = try query.pattern.map { try Regex($0) }
        } catch {
            throw OrchError(
                .invalidRequest, "\((query.pattern ?? "").quotedOneLine) is no regular expression: \(error)")
        }
    }

    mutating func line(_ value: [UInt8], _ record: LogRecord, topic: String) -> LogLine? {
        if !query.instances.isEmpty, !query.instances.contains(record.instance) { return nil }
        if record.seq > 0 {
            // What was sent twice after a crash comes with a number that was seen.
            guard record.seq > lastEntries[record.instance] ?? 0 else { return nil }
            lastEntries[record.instance] = record.seq
        }
        var bytes = value
        let stream = "\(record.instance)/\(record.stream)"
        if let earlier = parts.removeValue(forKey: stream) { bytes = earlier + value }
        if record.isPartial, bytes.count < Self.longestLine {
            parts[stream] = bytes
            return nil
        }
        if let since = query.since, record.at < since { return nil }
        if let until = query.until, record.at > until { return nil }
        if let level = query.level, record.level < level { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        if let regex, (try? regex.firstMatch(in: text)) ?? nil == nil { return nil }
        guard let topic = TopicName(rawValue: topic) else { return nil }
        return LogLine(
            at: record.at, topic: topic, instance: record.instance, stream: record.stream, level: record.level.rawValue,
            seq: record.seq, line: text)
    }
}
