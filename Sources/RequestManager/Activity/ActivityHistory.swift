package import OrchModel
package import OrchSystem
import Synchronization

/// What services and instances did over the last hour, in memory: the figures and curves of the web interface.
package final class ActivityHistory: Sendable {
    package struct ServiceActivity: Sendable {
        /// Requests a second.
        package fileprivate(set) var requests = Series(capacity: ActivityHistory.steps)
        /// The part of them that failed, 0 to 1.
        package fileprivate(set) var failures = Series(capacity: ActivityHistory.steps)
        /// Log lines of level error and above, a minute.
        package fileprivate(set) var errorLines = Series(capacity: ActivityHistory.steps)
        fileprivate var lastRequests: Int64?
        fileprivate var lastFailures: Int64 = 0
        fileprivate var lastErrorLines: Int64?
    }

    package struct InstanceActivity: Sendable {
        /// Cores.
        package fileprivate(set) var processor = Series(capacity: ActivityHistory.usageSteps)
        /// Bytes.
        package fileprivate(set) var memory = Series(capacity: ActivityHistory.usageSteps)
        fileprivate var last: (seconds: Double, at: Timestamp)?
    }

    private struct State {
        var services: [ModuleName: ServiceActivity] = [:]
        var instances: [InstanceID: InstanceActivity] = [:]
    }

    private static let step = Duration.seconds(10)
    fileprivate static let steps = 360
    /// To ask what an instance uses costs more, so that it is done with every third step.
    private static let usageEvery = 3
    fileprivate static let usageSteps = 120

    private let state = Mutex(State())
    /// Sent after each step.
    package let steps = Signal()

    package init() {}

    package subscript(service: ModuleName) -> ServiceActivity? { state.withLock { $0.services[service] } }
    package subscript(instance: InstanceID) -> InstanceActivity? { state.withLock { $0.instances[instance] } }

    /// Measures until the task is cancelled.
    package func run(_ plane: some ControlPlane) async {
        var last = Timestamp.now()
        var count = 0
        repeat {
            let now = Timestamp.now()
            note(await plane.services(), errorLines: await plane.errorLines(), over: now - last)
            if count % Self.usageEvery == 0 { note(await plane.usage()) }
            last = now
            count += 1
            steps.send()
        } while (try? await Task.sleep(for: Self.step)) != nil
    }

    /// - Parameter span: since the step before.
    func note(_ services: [ServiceView], errorLines: [InstanceID: Int64], over span: TimeSpan) {
        var lines: [ModuleName: Int64] = [:]
        for (id, count) in errorLines { lines[id.module, default: 0] += count }
        let seconds = max(span.seconds, 0.001)
        state.withLock { state in
            var kept: [ModuleName: ServiceActivity] = [:]
            for service in services {
                var activity = state.services[service.name] ?? ServiceActivity()
                activity.note(service.traffic, seconds)
                activity.note(errorLines: lines[service.name] ?? 0, seconds)
                kept[service.name] = activity
            }
            state.services = kept
        }
    }

    /// What is not among `usage` is gone.
    func note(_ usage: [UsageView]) {
        state.withLock { state in
            var kept: [InstanceID: InstanceActivity] = [:]
            for view in usage {
                var activity = state.instances[view.instance] ?? InstanceActivity()
                activity.note(view)
                kept[view.instance] = activity
            }
            state.instances = kept
        }
    }
}

extension ActivityHistory.ServiceActivity {
    fileprivate mutating func note(_ traffic: TrafficView?, _ seconds: Double) {
        guard let traffic else { return }
        let failed = (traffic.answers["5xx"] ?? 0) + traffic.failures
        // Counters begin again with a new route.
        if let last = lastRequests, traffic.requests >= last {
            let count = traffic.requests - last
            requests.add(Double(count) / seconds)
            failures.add(count == 0 ? 0 : min(1, Double(max(0, failed - lastFailures)) / Double(count)))
        }
        (lastRequests, lastFailures) = (traffic.requests, failed)
    }

    fileprivate mutating func note(errorLines count: Int64, _ seconds: Double) {
        if let last = lastErrorLines { errorLines.add(Double(max(0, count - last)) / seconds * 60) }
        lastErrorLines = count
    }
}

extension ActivityHistory.InstanceActivity {
    fileprivate mutating func note(_ view: UsageView) {
        if let last, view.at > last.at {
            processor.add(max(0, view.usage.processorSeconds - last.seconds) / (view.at - last.at).seconds)
        }
        memory.add(Double(view.usage.memory))
        last = (view.usage.processorSeconds, view.at)
    }
}
