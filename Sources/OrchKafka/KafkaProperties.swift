package import OrchModel

/// Settings of librdkafka in a file: a line `name=value` each, `#` before remarks.
package enum KafkaProperties {
    /// What keeps lines from being lost or reordered, and who we are, is not to be changed.
    private static let reserved: Set<String> = [
        "bootstrap.servers", "metadata.broker.list", "enable.idempotence", "acks", "request.required.acks",
        "message.timeout.ms", "delivery.timeout.ms", "max.in.flight", "max.in.flight.requests.per.connection",
        "transactional.id", "log.queue", "enable.partition.eof",
    ]

    /// - Throws: `invalidRequest` with the file and the line of the mistake.
    package static func parse(_ text: String, file: String) throws(OrchError) -> [String: String] {
        var properties: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.first == "#" { continue }
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else {
                throw OrchError(
                    .invalidRequest, "\(file):\(index + 1): write name=value, as in security.protocol=SASL_SSL")
            }
            let name = String(line[..<equals].trimmed)
            guard !reserved.contains(name) else {
                throw OrchError(.invalidRequest, "\(file):\(index + 1): '\(name)' is set by orch: leave it out")
            }
            properties[name] = String(line[line.index(after: equals)...].trimmed)
        }
        return properties
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = self
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return rest.drop(while: \.isWhitespace)
    }
}
