import OrchModel

/// Something that was seen: an event of the platform, or a line of a log.
struct Observation: Sendable {
    enum Kind: Sendable {
        case event(String)
        /// - Parameter isNewPattern: no line like it was seen before the module's last deploy.
        case line(level: String, topic: String, isNewPattern: Bool)
    }

    var at: Timestamp
    var kind: Kind
    /// Of an event the kind's message, of a line itself.
    var text: String
    var module: String
    var instance: String
    /// Of the module.
    var labels: [String: String] = [:]
    /// Of a line that may be of a new pattern: without what varies from one to the next.
    var shape: String?
}
