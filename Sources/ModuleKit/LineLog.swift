package import Logging
import OrchSystem

/// Writes each message as a logfmt line to standard output, unbuffered.
package struct LineLog: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel = Logger.Level.info

    package static func logger(_ label: String) -> Logger { Logger(label: label) { _ in LineLog() } }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map {
            " \($0.key)=\(Self.quoted("\($0.value)"))"
        }
        StandardStream.output.write(
            "level=\(event.level) msg=\(Self.quoted("\(event.message)"))\(pairs.joined())\n")
    }

    /// On one line, whatever is in it.
    private static func quoted(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return "\"\(escaped)\""
    }
}
