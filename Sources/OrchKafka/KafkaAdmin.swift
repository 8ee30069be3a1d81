import CRdkafka
package import OrchModel
package import OrchSystem

/// Asks a cluster about its topics. Runs on a thread of its own, because these calls of librdkafka block.
package actor KafkaAdmin {
    private let executor = ThreadExecutor(name: "kafka-admin")
    /// How long an answer may take, in milliseconds.
    private let timeout: Int32 = 5000

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// An instance of librdkafka costs an idle thread's wake-ups, so there is one only while questions come.
    private static let idleLimit = Duration.seconds(10)

    private let settings: KafkaSettings
    private let reactor: Reactor
    private var current: KafkaHandle?
    private var lastUse = ContinuousClock.now
    private let uses = Signal()

    package init(settings: KafkaSettings, reactor: Reactor) {
        self.settings = settings
        self.reactor = reactor
    }

    /// Closes the connection when nobody has asked for a while. Runs until the task is cancelled.
    package func closeWhenIdle() async {
        for await _ in uses.listen() {
            try? await Task.sleep(for: Self.idleLimit)
            if ContinuousClock.now - lastUse >= Self.idleLimit {
                close()
            } else {
                uses.send()
            }
        }
    }

    /// Ends the connection. The next question makes another one.
    package func close() {
        current?.close()
        current = nil
    }

    private func handle() throws(OrchError) -> KafkaHandle {
        lastUse = .now
        uses.send()
        if let current { return current }
        do {
            let configuration = try settings.configuration([
                "reconnect.backoff.max.ms": "2000", "allow.auto.create.topics": "true",
            ])
            rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
            let made = try KafkaHandle(RD_KAFKA_CONSUMER, configuration: configuration, reactor: reactor) { _ in }
            current = made
            return made
        } catch {
            throw OrchError(wrapping: error, "the Kafka broker cannot be asked")
        }
    }

    /// All topics with their numbers of partitions.
    package func topics() throws(OrchError) -> [String: Int] { try metadata(of: nil) }

    /// The partitions of one topic, which is made if need be and if the cluster lets us.
    package func partitions(of topic: String) throws(OrchError) -> Int {
        guard let pointer = rd_kafka_topic_new(try handle().client, topic, nil) else {
            throw OrchError(kafka: rd_kafka_last_error(), "topic \(topic) cannot be asked for")
        }
        defer { rd_kafka_topic_destroy(pointer) }
        return try metadata(of: pointer)[topic] ?? 0
    }

    private func metadata(of topic: OpaquePointer?) throws(OrchError) -> [String: Int] {
        var answer: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(try handle().client, topic == nil ? 1 : 0, topic, &answer, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
            throw OrchError(kafka: error, "the Kafka broker does not tell its topics")
        }
        defer { rd_kafka_metadata_destroy(answer) }
        var topics: [String: Int] = [:]
        for index in 0..<Int(answer.pointee.topic_cnt) {
            let topic = answer.pointee.topics[index]
            topics[String(cString: topic.topic)] = Int(topic.partition_cnt)
        }
        return topics
    }

    /// The first offset and the one behind the last.
    package func bounds(of topic: String, partition: Int32) throws(OrchError) -> (start: Int64, end: Int64) {
        var start: Int64 = 0
        var end: Int64 = 0
        let error = rd_kafka_query_watermark_offsets(try handle().client, topic, partition, &start, &end, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw OrchError(kafka: error, "the bounds of topic \(topic) cannot be told")
        }
        return (start, end)
    }

    /// The first offset with a record of `time` or later; the end when there is none.
    package func offset(of topic: String, partition: Int32, at time: Timestamp) throws(OrchError) -> Int64 {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = time.milliseconds
        let error = rd_kafka_offsets_for_times(try handle().client, list, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let found = list?.pointee.elems[0] else {
            throw OrchError(kafka: error, "topic \(topic) cannot be searched by time")
        }
        // -1 stands for the end.
        return found.offset >= 0 ? found.offset : try bounds(of: topic, partition: partition).end
    }
}
