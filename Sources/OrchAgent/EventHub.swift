import Deployer
import FoundationEssentials
import LoggingModule
import OrchModel
import OrchSystem

/// Tells of events after they are written down: to the topic `Events`, and to whoever waits for news.
///
/// A subscriber is only woken; it reads the events from the store, so that a slow one misses none.
final class EventHub: DeploymentObserver {
    private let signal = Signal()
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
        signal.send()
    }

    /// Lets everybody look again who waits for news.
    func wake() { signal.send() }

    func servicesChanged(_ services: [ServiceView], _ instances: [InstanceView]) async {
        views.update(services, instances)
    }

    /// Yields once at first, and then after anything happened; several events may share one.
    func news() -> AsyncStream<Void> { signal.listen() }
}
