import Logging
package import OrchModel
import OrchSystem

/// Somewhere that notifications go.
protocol NotificationChannel: Sendable {
    /// Returns once the other side has taken it.
    ///
    /// - Throws: `invalidRequest` for what will never be taken; anything else is tried again.
    func send(_ notification: Notification) async throws(OrchError)
}

/// Sends records to Kafka topics. The executable joins it to a producer.
package protocol TopicWriting: Sendable {
    /// Returns once the broker has it.
    func write(_ text: String, key: String, to topic: String) async throws(OrchError)
}

enum Channels {
    static func make(
        _ settings: ChannelSettings, topics: any TopicWriting, logger: Logger
    ) throws(OrchError) -> any NotificationChannel {
        switch settings.type {
        case .email: EmailChannel(settings: settings, logger: logger)
        case .webhook, .slack, .mattermost, .ntfy, .gotify: try WebhookChannel(settings)
        case .command: CommandChannel(settings: settings)
        case .kafka: TopicChannel(settings: settings, topics: topics)
        }
    }

    /// Secrets are read at each use, so that new ones hold at once, and are kept nowhere.
    static func secret(_ path: String) throws(OrchError) -> String {
        do throws(SystemError) {
            var text = try Files.readText(path)
            while text.last?.isNewline == true { text.removeLast() }
            return text
        } catch {
            throw OrchError(.failed, "the file \(path) cannot be read: \(error.reason)", cause: error)
        }
    }
}

private struct TopicChannel: NotificationChannel {
    let settings: ChannelSettings
    let topics: any TopicWriting

    func send(_ notification: Notification) async throws(OrchError) {
        try await topics.write(try notification.json, key: notification.incident.id, to: settings.topic)
    }
}
