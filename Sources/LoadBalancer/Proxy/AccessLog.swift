import Logging
import NIOCore
import OrchModel

/// Decides which requests are logged: at most so many a second, failures from a budget of their own.
struct AccessLogBudget {
    private let linesPerSecond: Int
    private var second: UInt64 = 0
    private var left = 0
    private var leftForFailures = 0
    /// Requests since the last line that were not logged.
    private var skipped: Int64 = 0

    init(linesPerSecond: Int) { self.linesPerSecond = linesPerSecond }

    /// - Returns: how many were skipped before this one, or `nil` when it is to be skipped too.
    mutating func take(isFailure: Bool, at now: NIODeadline) -> Int64? {
        let current = now.uptimeNanoseconds / 1_000_000_000
        if current != second { (second, left, leftForFailures) = (current, linesPerSecond, linesPerSecond) }
        if isFailure, leftForFailures > 0 {
            leftForFailures -= 1
        } else if left > 0 {
            left -= 1
        } else {
            skipped += 1
            return nil
        }
        defer { skipped = 0 }
        return skipped
    }
}

/// One line of the access log.
struct AccessRecord {
    var service: ModuleName
    var instance: InstanceID?
    var client: String
    var method: String
    var target: String
    var status: Int
    var bytes: Int64
    var duration: TimeAmount
    var requestID: String
    var skipped: Int64

    func write(to logger: Logger) {
        logger.log(
            level: status >= 500 ? .notice : .info, "request",
            metadata: [
                "service": "\(service)", "instance": "\(instance?.rawValue ?? "-")", "client": "\(client)",
                "method": "\(method)", "target": "\(target)", "status": "\(status)", "bytes": "\(bytes)",
                "ms": "\(Double(duration.nanoseconds / 1000) / 1000)", "request": "\(requestID)",
                "skipped": "\(skipped)",
            ])
    }
}
