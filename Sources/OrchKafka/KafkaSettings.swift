import CRdkafka
package import OrchModel

/// How to reach a cluster, and what else librdkafka is told.
package struct KafkaSettings: Sendable {
    /// `host:port`, separated by commas.
    package var brokers: String
    /// Further properties of librdkafka, such as `security.protocol`.
    package var properties: [String: String]

    package init(brokers: String, properties: [String: String] = [:]) {
        self.brokers = brokers
        self.properties = properties
    }

    /// Finds what librdkafka does not know or understand before anything is connected.
    package func check() throws(OrchError) { rd_kafka_conf_destroy(try configuration([:])) }

    /// A configuration that the caller owns; `rd_kafka_new` takes it over.
    func configuration(_ extra: [String: String]) throws(OrchError) -> OpaquePointer {
        guard let configuration = rd_kafka_conf_new() else {
            throw OrchError(.failed, "librdkafka gave no configuration")
        }
        var all = [
            "bootstrap.servers": brokers, "client.id": "orch", "log.queue": "true", "socket.nagle.disable": "true",
        ]
        all.merge(extra) { $1 }
        all.merge(properties) { $1 }
        for (name, value) in all {
            var message = [CChar](repeating: 0, count: 512)
            guard rd_kafka_conf_set(configuration, name, value, &message, message.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw OrchError(.invalidRequest, "Kafka setting '\(name)': \(text(of: message))")
            }
        }
        return configuration
    }
}

/// The text before the zero byte.
func text(of buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension OrchError {
    /// A failure that librdkafka reports, in its own words.
    init(kafka error: rd_kafka_resp_err_t, _ what: String) {
        let isAway =
            error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            || error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__RESOLVE
        self.init(isAway ? .unavailable : .failed, "\(what): \(String(cString: rd_kafka_err2str(error)))")
    }
}
