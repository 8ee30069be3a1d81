package import Logging
package import OrchKafka
package import OrchModel
package import OrchSystem

/// Reads the topics of a Kafka cluster.
package struct KafkaTopicSource: TopicSource {
    /// A cursor lives for a moment mostly, and its topics must not wait for each other.
    private static let longestWait = TimeSpan.milliseconds(50)

    private let settings: KafkaSettings
    private let reactor: Reactor
    private let admin: KafkaAdmin
    private let logger: Logger

    package init(settings: KafkaSettings, reactor: Reactor, admin: KafkaAdmin, logger: Logger) {
        self.settings = settings
        self.reactor = reactor
        self.admin = admin
        self.logger = logger
    }

    package func topics() async throws(OrchError) -> [String: Int] { try await admin.topics() }

    package func make(_ topic: String) async throws(OrchError) { _ = try await admin.partitions(of: topic) }

    package func bounds(of place: TopicPlace) async throws(OrchError) -> (start: Int64, end: Int64) {
        try await admin.bounds(of: place.topic, partition: place.partition)
    }

    package func offset(of place: TopicPlace, at time: Timestamp) async throws(OrchError) -> Int64 {
        try await admin.offset(of: place.topic, partition: place.partition, at: time)
    }

    package func withCursor(
        _ starts: [TopicPlace: Int64], _ body: (KafkaTopicCursor) async throws -> Void
    ) async throws {
        let logger = logger
        let consumer = try KafkaConsumer(settings: settings, reactor: reactor, longestWait: Self.longestWait) {
            notice in
            if case .trouble(let text) = notice {
                logger.debug("a reader waits for the broker", metadata: ["cause": "\(text)"])
            }
        }
        let result: Result<Void, any Error>
        do {
            for (place, offset) in starts { try consumer.start(place.topic, partition: place.partition, at: offset) }
            result = .success(try await body(KafkaTopicCursor(consumer: consumer)))
        } catch {
            result = .failure(error)
        }
        // librdkafka's threads take a moment to end, which must not hold up the cooperative pool.
        await runBlocking(name: "kafka-close") { consumer.close() }
        try result.get()
    }
}

package struct KafkaTopicCursor: TopicCursor {
    fileprivate let consumer: KafkaConsumer

    package func next() async throws(OrchError) -> ReadBatch {
        let batch = try await consumer.next()
        return ReadBatch(
            remote: batch, ends: batch.ends.map { TopicPlace(topic: $0.topic, partition: $0.partition) })
    }
}
