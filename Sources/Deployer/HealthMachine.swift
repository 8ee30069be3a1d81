package import OrchModel

/// Turns the results of checks into a verdict, and says when to check next.
package struct HealthMachine: Sendable {
    package enum Verdict: Equatable, Sendable {
        case healthy
        case unhealthy(String)
        /// Checks fail, which does not count yet.
        case failing(String)
        /// Healthy for so many checks that there is no need to watch it any longer.
        case proven
    }

    /// While nothing has passed yet, checks come quickly, each pause twice as long as the one before.
    private static let firstPause = TimeSpan.milliseconds(5)
    /// The pause between the checks that shall prove an instance.
    private static let provingPause = TimeSpan.milliseconds(200)

    private let spec: HealthSpec
    /// Passes in a row after it became healthy that prove it; 0 for never.
    private let provingChecks: Int
    private let startedAt: Timestamp
    private var passes = 0
    private var failures = 0
    private var checks = 0
    private var verdict: Verdict?

    package init(_ spec: HealthSpec, provingChecks: Int, startedAt: Timestamp) {
        self.spec = spec
        self.provingChecks = provingChecks
        self.startedAt = startedAt
    }

    /// - Parameter failure: what was wrong, or `nil` when the check passed.
    /// - Returns: the verdict when it has changed, and the pause until the next check.
    package mutating func checked(_ failure: String?, at now: Timestamp) -> (change: Verdict?, pause: TimeSpan) {
        checks += 1
        let before = verdict
        if verdict == nil || verdict.isFailing { verdict = failure.map { .failing($0) } }
        if let failure {
            passes = 0
            // A failure while it still starts says nothing, unless it was healthy already.
            if verdict == .healthy || verdict == .proven || now - startedAt >= spec.startPeriod { failures += 1 }
            if failures >= spec.fall {
                if case .unhealthy = verdict {} else { verdict = .unhealthy(failure) }
            }
        } else {
            failures = 0
            passes += 1
            if passes >= spec.rise, verdict != .proven {
                verdict = isProving && passes >= spec.rise + provingChecks ? .proven : .healthy
            }
        }
        return (verdict == before ? nil : verdict, pause)
    }

    private var isProving: Bool { provingChecks > 0 }

    private var pause: TimeSpan {
        if verdict == .healthy, isProving { return min(spec.interval, Self.provingPause) }
        guard verdict == nil || verdict.isFailing else { return spec.interval }
        let early = TimeSpan(nanoseconds: Self.firstPause.nanoseconds << Int64(min(checks - 1, 20)))
        return min(early, spec.interval)
    }
}

extension HealthMachine.Verdict? {
    fileprivate var isFailing: Bool { if case .failing = self { true } else { false } }
}
