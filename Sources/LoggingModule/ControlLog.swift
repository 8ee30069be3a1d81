package import Logging
package import OrchModel
import OrchSystem

/// Makes the loggers of the control plane's own modules. Each writes logfmt lines into a spool, which is shipped to the
/// topic of the logger's label like any instance's output; warnings and errors also go to standard error.
package final class ControlLog: Sendable {
    private let writers: [TopicName: SpoolWriter]
    private let level: Logger.Level

    /// - Parameter folder: gets a folder for each topic in `topics`.
    package init(folder: String, topics: [TopicName], level: Logger.Level) throws {
        var writers: [TopicName: SpoolWriter] = [:]
        for topic in topics { writers[topic] = try SpoolWriter(folder: "\(folder)/\(topic)/spool") }
        self.writers = writers
        self.level = level
    }

    package func logger(_ topic: TopicName) -> Logger {
        var logger = Logger(label: topic.rawValue) { _ in ControlLogHandler(writer: self.writers[topic], topic: topic) }
        logger.logLevel = level
        return logger
    }

    /// Writes a line that is no log message, such as an event's JSON.
    package func write(_ line: String, to topic: TopicName, at time: Timestamp) {
        writers[topic]?.write(line, at: time)
    }
}

private struct ControlLogHandler: LogHandler {
    let writer: SpoolWriter?
    let topic: TopicName
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(writer: SpoolWriter?, topic: TopicName) {
        self.writer = writer
        self.topic = topic
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = "level=\(event.level) msg=\(Self.quoted(event.message.description))"
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(Self.quoted(value.description))" }
        writer?.write(line, at: .now())
        if event.level >= .warning { StandardStream.error.write("orch-agent: \(topic): \(line)\n") }
    }

    /// A logfmt value: quoted where it holds anything but plain characters.
    private static func quoted(_ text: String) -> String {
        if !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }) {
            return text
        }
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\"", "\\": quoted += "\\\(character)"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "\""
    }
}
