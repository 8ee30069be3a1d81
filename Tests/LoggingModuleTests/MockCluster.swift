import CRdkafka
import OrchKafka
import OrchModel
import OrchSystem

@testable import LoggingModule

/// librdkafka's own cluster in memory, which does what it is told to: it is away, slow, or answers with errors.
final class MockCluster: @unchecked Sendable {
    // librdkafka's mock may be used from any thread; the pointers never change.
    private let client: OpaquePointer
    private let cluster: OpaquePointer
    let settings: KafkaSettings

    private static let produce: Int16 = 0
    private static let broker: Int32 = 1

    init() throws {
        var message = [CChar](repeating: 0, count: 256)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), &message, message.count),
            let cluster = rd_kafka_mock_cluster_new(client, 1), let address = rd_kafka_mock_cluster_bootstraps(cluster)
        else { throw OrchError(.failed, "there is no mock cluster") }
        self.client = client
        self.cluster = cluster
        settings = KafkaSettings(
            brokers: String(cString: address),
            // Long enough that what a test writes at once is one batch.
            properties: ["retry.backoff.ms": "20", "linger.ms": "50"])
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    func create(_ topic: String) { rd_kafka_mock_topic_create(cluster, topic, 1, 1) }

    /// The next requests to produce are answered so.
    func answer(with errors: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_push_request_errors_array(cluster, Self.produce, errors.count, errors)
    }

    func setAway(_ isAway: Bool) {
        if isAway {
            rd_kafka_mock_broker_set_down(cluster, Self.broker)
        } else {
            rd_kafka_mock_broker_set_up(cluster, Self.broker)
        }
    }

    /// Every answer takes so long.
    func setDelay(milliseconds: Int32) { rd_kafka_mock_broker_set_rtt(cluster, Self.broker, milliseconds) }
}
