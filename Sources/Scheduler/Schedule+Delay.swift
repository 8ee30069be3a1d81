import OrchModel
import OrchSystem

extension Schedule {
    /// By how much the act of a due time comes later, less than ``jitter``. It is the same whenever it is asked.
    func delay(of due: Timestamp) -> TimeSpan {
        guard let jitter, jitter > .zero else { return .zero }
        let hash = QuickHash.hash("\(name) \(due.nanoseconds)".utf8)
        return TimeSpan(nanoseconds: Int64(hash % UInt64(jitter.nanoseconds)))
    }

    var missedPolicy: Missed { missed ?? (action == .window ? .once : .skip) }

    /// Whether it may be due again while it still runs.
    var overlaps: Bool { action == .job && (concurrency ?? .forbid) != .forbid }
}
