package import OrchModel

package struct BrokerSettings: Sendable {
    package enum Sync: Sendable, Equatable {
        /// At most this long after it was acknowledged, a record survives a crash of the machine.
        case interval(TimeSpan)
        /// Before it is acknowledged.
        case always
    }

    package var folder: String
    /// 0 for a free one.
    package var port: Int
    package var sync = Sync.interval(.seconds(1))
    package var segmentBytes = 64 << 20
    package var retentionBytes = 1 << 30
    package var retention = TimeSpan.seconds(7 * 86_400)
    /// The largest batch, as Kafka's `max.message.bytes` (its default is 1 MiB and 12 bytes).
    package var maxMessageBytes = 1_048_588
    package var defaultPartitions = 1

    package init(folder: String, port: Int) {
        self.folder = folder
        self.port = port
    }
}
