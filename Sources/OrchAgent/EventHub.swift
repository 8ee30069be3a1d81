import Deployer
import FoundationEssentials
import LoggingModule
import OrchModel
import Synchronization

/// Tells of events after they are written down: to the topic `Events`, and to whoever waits for news.
///
/// A subscriber is only woken; it reads the events from the store, so that a slow one misses none.
final class EventHub: DeploymentObserver {
    private struct State {
        var subscribers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())
    private let controlLog: ControlLog
    private let views: ViewWriter

    init(controlLog: ControlLog, views: ViewWriter) {
        self.controlLog = controlLog
        self.views = views
    }

    func happened(_ events: [Event]) async {
        guard !events.isEmpty else { return }
        for event in events {
            guard let json = try? JSONEncoder().encode(event) else { continue }
            controlLog.write(String(decoding: json, as: UTF8.self), to: .events, at: event.at)
        }
        for subscriber in state.withLock({ Array($0.subscribers.values) }) { subscriber.yield() }
    }

    func servicesChanged(_ services: [ServiceView], _ instances: [InstanceView]) async {
        views.update(services, instances)
    }

    /// Yields once at first, and then after anything happened; several events may share one.
    func news() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.lastID += 1
            state.subscribers[state.lastID] = continuation
            return state.lastID
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.subscribers.removeValue(forKey: id) }
        }
        continuation.yield()
        return stream
    }
}
