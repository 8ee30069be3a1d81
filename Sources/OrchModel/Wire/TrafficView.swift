/// What the load balancer has passed on.
package struct TrafficView: Codable, Sendable {
    /// Answers by the first digit of their status, as in `2xx`.
    package var answers: [String: Int64]
    /// Requests that an instance did not answer, or not to the end.
    package var failures: Int64
    package var retries: Int64
    /// Connections in TCP mode.
    package var connections: Int64
    package var bytesIn: Int64
    package var bytesOut: Int64
    package var inFlight: Int
    /// Seconds, over the last one to two minutes; `nil` when nothing came.
    package var p50: Double?
    package var p99: Double?
    /// Whether it is passed over for now, after failures in a row.
    package var isPassedOver: Bool
    package var instances: [InstanceID: TrafficView]

    package init(
        answers: [String: Int64], failures: Int64, retries: Int64, connections: Int64, bytesIn: Int64, bytesOut: Int64,
        inFlight: Int, p50: Double?, p99: Double?, isPassedOver: Bool, instances: [InstanceID: TrafficView] = [:]
    ) {
        self.answers = answers
        self.failures = failures
        self.retries = retries
        self.connections = connections
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.inFlight = inFlight
        self.p50 = p50
        self.p99 = p99
        self.isPassedOver = isPassedOver
        self.instances = instances
    }

    package var requests: Int64 { answers.values.reduce(0, +) }

    package enum CodingKeys: String, CodingKey {
        case answers, failures, retries, connections, p50, p99, instances
        case bytesIn = "bytes_in"
        case bytesOut = "bytes_out"
        case inFlight = "in_flight"
        case isPassedOver = "is_passed_over"
    }
}
