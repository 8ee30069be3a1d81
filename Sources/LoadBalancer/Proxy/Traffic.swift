/// What went through, counted on one event loop and added up when somebody asks.
struct Traffic: Sendable {
    /// Answers by the first digit of their status, from 1 to 5.
    var answers = [Int64](repeating: 0, count: 6)
    /// Requests that got no answer of an instance: 502 and 504 of ours, and answers that broke off.
    var failures: Int64 = 0
    var retries: Int64 = 0
    /// Connections in TCP mode.
    var connections: Int64 = 0
    var bytesIn: Int64 = 0
    var bytesOut: Int64 = 0
    var latency = LatencyHistogram()

    var requests: Int64 { answers.reduce(0, +) }

    mutating func add(_ other: Traffic) {
        for index in answers.indices { answers[index] += other.answers[index] }
        failures += other.failures
        retries += other.retries
        connections += other.connections
        bytesIn += other.bytesIn
        bytesOut += other.bytesOut
        latency.add(other.latency)
    }
}

/// Durations in buckets whose bounds lie a quarter of a doubling apart, from 1 µs to about 17 minutes: a quantile is off by
/// at most 19 %. Two generations, so that quantiles tell of the last one to two minutes.
struct LatencyHistogram: Sendable {
    private static let bucketCount = 120

    private var current = [UInt32](repeating: 0, count: bucketCount)
    private var previous = [UInt32](repeating: 0, count: bucketCount)

    mutating func record(microseconds: Int64) { current[Self.bucket(microseconds)] &+= 1 }

    /// Forgets the generation before. Called once a minute.
    mutating func turn() {
        previous = current
        current = [UInt32](repeating: 0, count: Self.bucketCount)
    }

    mutating func add(_ other: LatencyHistogram) {
        for index in current.indices {
            current[index] &+= other.current[index]
            previous[index] &+= other.previous[index]
        }
    }

    /// In seconds; `nil` when nothing was recorded.
    func quantile(_ part: Double) -> Double? {
        let total = zip(current, previous).reduce(0) { $0 + Int($1.0) + Int($1.1) }
        guard total > 0 else { return nil }
        let rank = Int((Double(total) * part).rounded(.up))
        var seen = 0
        for index in current.indices {
            seen += Int(current[index]) + Int(previous[index])
            if seen >= rank { return Double(Self.upperBound(index)) / 1e6 }
        }
        return nil
    }

    private static func bucket(_ microseconds: Int64) -> Int {
        let value = UInt64(max(1, microseconds))
        let exponent = 63 - value.leadingZeroBitCount
        let quarter = exponent >= 2 ? Int(value >> UInt64(exponent - 2)) & 3 : Int(value << UInt64(2 - exponent)) & 3
        return min(exponent * 4 + quarter, bucketCount - 1)
    }

    private static func upperBound(_ bucket: Int) -> UInt64 {
        let (exponent, quarter) = (bucket / 4, UInt64(bucket % 4))
        return max(1, (UInt64(1) << UInt64(exponent)) * (5 + quarter) / 4)
    }
}
