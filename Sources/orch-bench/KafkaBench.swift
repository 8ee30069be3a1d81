import CRdkafka
import OrchModel
import OrchSystem

/// librdkafka as benchmarks need it: as fast as it goes, without anything in between.
final class KafkaBench {
    private let client: OpaquePointer
    private var mock: OpaquePointer?

    init(_ type: rd_kafka_type_t, brokers: String?, _ settings: [String: String] = [:]) throws {
        let configuration = rd_kafka_conf_new()
        var all = settings
        all["bootstrap.servers"] = brokers
        var message = [CChar](repeating: 0, count: 256)
        for (name, value) in all { rd_kafka_conf_set(configuration, name, value, &message, message.count) }
        guard let client = rd_kafka_new(type, configuration, &message, message.count) else {
            throw OrchError(.failed, "librdkafka could not start")
        }
        self.client = client
    }

    deinit {
        if let mock { rd_kafka_mock_cluster_destroy(mock) }
        rd_kafka_destroy(client)
    }

    /// Makes a topic that is not there, where the broker does that for who asks.
    func make(_ name: String) throws {
        guard let topic = rd_kafka_topic_new(client, name, nil) else { throw OrchError(.failed, "no topic \(name)") }
        defer { rd_kafka_topic_destroy(topic) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        guard rd_kafka_metadata(client, 0, topic, &metadata, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw OrchError(.failed, "the broker does not make topic \(name)")
        }
        rd_kafka_metadata_destroy(metadata)
    }

    /// The offset behind the last record.
    func end(of topic: String) -> Int64 {
        var start: Int64 = 0
        var end: Int64 = 0
        rd_kafka_query_watermark_offsets(client, topic, 0, &start, &end, 2000)
        return max(0, end)
    }

    /// Sends lines and waits until all are acknowledged.
    ///
    /// - Parameter time: of a line by its number, in milliseconds since 1970; `nil` for now.
    /// - Returns: seconds.
    func produce(_ count: Int, to name: String, time: ((Int) -> Int64)? = nil) throws -> Double {
        guard let topic = rd_kafka_topic_new(client, name, nil) else { throw OrchError(.failed, "no topic \(name)") }
        defer { rd_kafka_topic_destroy(topic) }
        // Made before, so that making them is not measured.
        var lines = (0..<10_000).map(LogLines.line)
        let start = ContinuousClock.now
        for number in 0..<count {
            while try !send(&lines[number % lines.count], number, topic, time) { rd_kafka_poll(client, 5) }
            if number % 1000 == 0 { rd_kafka_poll(client, 0) }
        }
        guard rd_kafka_flush(client, 120_000) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw OrchError(.timedOut, "not all of \(name) was acknowledged")
        }
        return seconds(since: start)
    }

    /// - Returns: `false` while the queue is full.
    private func send(_ line: inout [UInt8], _ number: Int, _ topic: OpaquePointer, _ time: ((Int) -> Int64)?) throws
        -> Bool
    {
        guard let time else {
            return line.withUnsafeMutableBytes {
                rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, $0.baseAddress, $0.count - 1, nil, 0, nil) == 0
            }
        }
        var arguments = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 4)
        arguments[0].vtype = RD_KAFKA_VTYPE_RKT
        arguments[0].u.rkt = topic
        arguments[1].vtype = RD_KAFKA_VTYPE_VALUE
        arguments[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        arguments[2].u.i = RD_KAFKA_MSG_F_COPY
        arguments[3].vtype = RD_KAFKA_VTYPE_TIMESTAMP
        arguments[3].u.i64 = time(number)
        let error = line.withUnsafeMutableBytes { bytes in
            arguments[1].u.mem.ptr = bytes.baseAddress
            arguments[1].u.mem.size = bytes.count - 1
            return rd_kafka_produceva(client, arguments, arguments.count)
        }
        guard let error else { return true }
        rd_kafka_error_destroy(error)
        return false
    }

    /// Reads a topic from its beginning.
    ///
    /// - Returns: seconds.
    func consume(_ count: Int, of name: String) throws -> Double {
        guard let topic = rd_kafka_topic_new(client, name, nil) else { throw OrchError(.failed, "no topic \(name)") }
        defer { rd_kafka_topic_destroy(topic) }
        let start = ContinuousClock.now
        rd_kafka_consume_start(topic, 0, 0)
        defer { rd_kafka_consume_stop(topic, 0) }
        var messages = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: 10_000)
        var found = 0
        while found < count {
            let got = rd_kafka_consume_batch(topic, 0, 1000, &messages, messages.count)
            guard got >= 0, seconds(since: start) < 120 else { throw OrchError(.timedOut, "\(name) cannot be read") }
            for message in messages.prefix(got) { rd_kafka_message_destroy(message) }
            found += got
        }
        return seconds(since: start)
    }

    /// The addresses of a cluster in this process's memory, which lives as long as this client.
    func startMock() throws -> String {
        guard let cluster = rd_kafka_mock_cluster_new(client, 1),
            let address = rd_kafka_mock_cluster_bootstraps(cluster)
        else { throw OrchError(.failed, "there is no mock cluster") }
        mock = cluster
        return String(cString: address)
    }
}
