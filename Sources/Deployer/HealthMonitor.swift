import AsyncHTTPClient
import NIOCore
import NIOPosix
package import OrchModel
import OrchSystem
import Synchronization

/// Checks instances at their intervals and reports when a verdict changes. All of it runs on event loops: an instance
/// costs a timer, not a task.
package final class HealthMonitor: Sendable {
    private let probe: HealthProbe
    private let watched = Mutex<[InstanceID: HealthWatch]>([:])
    private let report: @Sendable (InstanceID, HealthMachine.Verdict) -> Void

    /// - Parameters:
    ///   - checkInside: makes a check from within an instance; what it takes longer than the check's timeout is given up.
    ///   - report: called on an event loop; must not block.
    package init(
        checkInside: @escaping @Sendable (InstanceID, HealthSpec) async -> String?,
        report: @escaping @Sendable (InstanceID, HealthMachine.Verdict) -> Void
    ) {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        probe = HealthProbe(
            client: HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration),
            checkInside: checkInside)
        self.report = report
    }

    /// - Parameter provingChecks: passes in a row that prove it; 0 for never.
    package func watch(
        _ id: InstanceID, _ spec: HealthSpec, provingChecks: Int, ports: [String: Int], portName: String
    ) {
        let target = HealthTarget(instance: id, spec: spec, port: ports[portName] ?? 0)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let watch = HealthWatch(target: target, provingChecks: provingChecks, probe: probe, loop: loop) {
            [report] verdict in report(id, verdict)
        }
        let earlier = watched.withLock { watched in
            defer { watched[id] = watch }
            return watched[id]
        }
        earlier?.end()
        watch.begin()
    }

    package func end(_ id: InstanceID) {
        watched.withLock { $0.removeValue(forKey: id) }?.end()
    }

    /// What the checks of an instance have found so far.
    package func checks(of id: InstanceID) -> CheckView? { watched.withLock { $0[id] }?.view }

    package func shutDown() async throws {
        let all = watched.withLock { watched in
            defer { watched = [:] }
            return watched
        }
        for watch in all.values { watch.end() }
        try await probe.client.shutdown()
    }
}

/// The checks of one instance, one after the other.
private final class HealthWatch: Sendable {
    private struct State {
        var machine: HealthMachine
        var isEnded = false
        var passes = 0
        var failures = 0
        var lastAt: Timestamp?
        var lastFailure: String?
    }

    private let target: HealthTarget
    private let probe: HealthProbe
    private let loop: any EventLoop
    private let report: @Sendable (HealthMachine.Verdict) -> Void
    private let state: Mutex<State>

    init(
        target: HealthTarget, provingChecks: Int, probe: HealthProbe, loop: any EventLoop,
        report: @escaping @Sendable (HealthMachine.Verdict) -> Void
    ) {
        self.target = target
        self.probe = probe
        self.loop = loop
        self.report = report
        state = Mutex(State(machine: HealthMachine(target.spec, provingChecks: provingChecks, startedAt: .now())))
    }

    var view: CheckView {
        state.withLock { state in
            CheckView(
                check: target.description, passes: state.passes, failures: state.failures, lastAt: state.lastAt,
                lastFailure: state.lastFailure)
        }
    }

    func begin() { check(after: .zero) }

    func end() { state.withLock { $0.isEnded = true } }

    private func check(after pause: TimeSpan) {
        loop.scheduleTask(in: .nanoseconds(pause.nanoseconds)) {
            guard !self.state.withLock(\.isEnded) else { return }
            self.probe.check(self.target, on: self.loop).whenSuccess { failure in
                let now = Timestamp.now()
                let next = self.state.withLock { state -> (change: HealthMachine.Verdict?, pause: TimeSpan)? in
                    if state.isEnded { return nil }
                    state.lastAt = now
                    state.lastFailure = failure
                    if failure == nil { state.passes += 1 } else { state.failures += 1 }
                    return state.machine.checked(failure, at: now)
                }
                guard let next else { return }
                if let change = next.change { self.report(change) }
                self.check(after: next.pause)
            }
        }
    }
}
