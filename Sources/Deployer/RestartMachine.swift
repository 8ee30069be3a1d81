package import OrchModel

/// Decides whether and when an instance that ended by itself is started again.
package struct RestartMachine: Codable, Sendable, Equatable {
    package enum Action: Equatable, Sendable {
        case restart(after: TimeSpan)
        /// It has done its work.
        case complete
        case giveUp
    }

    /// Ends in a row, without a time up of at least `reset_after` between them.
    package private(set) var failures = 0

    /// - Parameter uptime: how long it was up, and healthy where that is checked.
    package mutating func instanceEnded(_ exit: Exit, after uptime: TimeSpan, _ spec: RestartSpec) -> Action {
        if exit.isClean, spec.policy != .always { return .complete }
        if spec.policy == .never { return .giveUp }
        if uptime >= spec.resetAfter { failures = 0 }
        failures += 1
        if spec.giveUpAfter > 0, failures > spec.giveUpAfter { return .giveUp }
        // The first one may be a mishap and comes at once; from then on twice as late each time.
        guard failures > 1 else { return .restart(after: .zero) }
        let factor = Int64(1) << min(failures - 2, 20)
        let (delay, overflow) = spec.initialDelay.nanoseconds.multipliedReportingOverflow(by: factor)
        return .restart(after: overflow ? spec.maxDelay : min(TimeSpan(nanoseconds: delay), spec.maxDelay))
    }

    package mutating func reset() { failures = 0 }
}
