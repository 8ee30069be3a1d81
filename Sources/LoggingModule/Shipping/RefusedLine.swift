package import OrchModel

/// A line that no broker takes, so that it stands in the topic's file only.
package struct RefusedLine: Sendable {
    package var topic: TopicName
    package var instance: String
    package var stream: String
    package var at: Timestamp
    package var text: [UInt8]
    /// What the broker says.
    package var reason: String
}
