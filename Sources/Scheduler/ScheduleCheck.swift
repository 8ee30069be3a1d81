import FoundationEssentials
import OrchModel

/// What a schedule must have, and must not, besides its times.
enum ScheduleCheck {
    private static let mostJitter = TimeSpan.seconds(86_400)
    private static let mostRetries = 100

    /// - Throws: `invalidRequest` that says what is missing or wrong.
    static func check(_ schedule: Schedule) throws(OrchError) {
        if let jitter = schedule.jitter, jitter < .zero || jitter > mostJitter {
            throw OrchError(.invalidRequest, "'jitter' of \(schedule.name) must be 0s to 24h")
        }
        if schedule.action == .http {
            guard isAddress(schedule.url ?? "") else {
                throw OrchError(
                    .invalidRequest,
                    "schedule \(schedule.name) needs a 'url' with http or https, a host and a port up to 65535, as in http://127.0.0.1:8080/poll"
                )
            }
        } else if schedule.module == nil {
            throw OrchError(
                .invalidRequest, "schedule \(schedule.name) needs a 'module' to \(schedule.action.rawValue)")
        }
        if schedule.action == .scale {
            guard let replicas = schedule.replicas, (0...1000).contains(replicas) else {
                throw OrchError(
                    .invalidRequest, "schedule \(schedule.name) needs 'replicas' from 0 to 1000 to scale to")
            }
        }
        let isJob = schedule.action == .job
        let ofJobs: [(key: String, isSet: Bool)] = [
            ("timeout", schedule.timeout != nil), ("retries", schedule.retries != nil),
            ("retry_delay", schedule.retryDelay != nil), ("concurrency", schedule.concurrency != nil),
        ]
        if !isJob, let key = ofJobs.first(where: \.isSet)?.key {
            throw OrchError(.invalidRequest, "'\(key)' of \(schedule.name) is for the action job")
        }
        if let timeout = schedule.timeout, timeout < .seconds(1) {
            throw OrchError(.invalidRequest, "'timeout' of \(schedule.name) must be at least 1s")
        }
        if let retries = schedule.retries, !(0...mostRetries).contains(retries) {
            throw OrchError(.invalidRequest, "'retries' of \(schedule.name) must be 0 to \(mostRetries)")
        }
        if let delay = schedule.retryDelay, delay < .zero {
            throw OrchError(.invalidRequest, "'retry_delay' of \(schedule.name) must not be negative")
        }
    }

    private static func isAddress(_ text: String) -> Bool {
        guard let url = URL(string: text), url.scheme == "http" || url.scheme == "https" else { return false }
        return url.host()?.isEmpty == false && (1...65_535).contains(url.port ?? 80)
    }
}
