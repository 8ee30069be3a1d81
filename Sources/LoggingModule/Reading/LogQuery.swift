package import OrchModel

/// Which lines somebody wants to see.
package struct LogQuery: Sendable {
    package struct Field: Sendable, Equatable {
        /// Names of nested objects are joined by dots.
        package var key: String
        package var value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    package var topics: [TopicName]
    /// Those that somebody writes to, so that they are made where nothing has been written yet.
    package var expectedTopics: Set<TopicName> = []
    /// Only these instances; empty for all.
    package var instances: Set<String> = []
    /// Only the last so many lines; `nil` for all.
    package var tail: Int?
    package var since: Timestamp?
    package var until: Timestamp?
    package var follow = false
    /// Reading goes on where an earlier answer to the same query has ended.
    package var position: LogPosition?
    /// A regular expression that a line must contain.
    package var pattern: String?
    /// Lines of at least this level. Lines without a level count as `info`.
    package var level: LogLevel?
    /// What a line of JSON or logfmt must have, all of it.
    package var fields: [Field] = []
    /// So many lines of the same instance before and after each are shown too.
    package var context = 0
    /// Returns when nothing more will be written and all of it is at the broker; following ends behind that.
    package var whenOver: (@Sendable () async -> Void)?

    package init(topics: [TopicName]) { self.topics = topics }
}

/// A partition of a topic.
package struct TopicPlace: Hashable, Sendable {
    package var topic: String
    package var partition: Int32
}

/// How far each partition was read, as text `topic/partition@offset` joined by commas.
package struct LogPosition: Sendable, CustomStringConvertible, Equatable {
    package var offsets: [TopicPlace: Int64]

    package init(_ offsets: [TopicPlace: Int64]) { self.offsets = offsets }

    package init?(_ text: some StringProtocol) {
        offsets = [:]
        for part in text.split(separator: ",") {
            let halves = part.split(separator: "@")
            guard halves.count == 2, let offset = Int64(halves[1]), let slash = halves[0].lastIndex(of: "/"),
                let partition = Int32(halves[0][halves[0].index(after: slash)...])
            else { return nil }
            offsets[TopicPlace(topic: String(halves[0][..<slash]), partition: partition)] = offset
        }
    }

    package var description: String {
        offsets.map { "\($0.key.topic)/\($0.key.partition)@\($0.value)" }.sorted().joined(separator: ",")
    }
}
