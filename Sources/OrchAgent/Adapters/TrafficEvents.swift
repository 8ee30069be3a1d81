import LoadBalancer
import OrchModel
import OrchStore
import OrchSystem

/// Makes events of what the load balancer notices. That something is well is only told where it was told that it is not, be it
/// by an agent before this one.
struct TrafficEvents {
    private struct Trouble: Hashable {
        var kind: String
        var service: ModuleName?
    }

    /// The kinds that are told until their ends are, and these.
    private static let ends = ["endpoint.open": "endpoint.failed", "certificate.renewed": "certificate.ending"]
    private static let removal = "service.removed"
    private static let searchedEvents = 5000

    private var open: Set<Trouble> = []

    /// - Parameter events: what was told before, in order.
    init(after events: [Event]) {
        for event in events {
            if event.kind == Self.removal {
                open = open.filter { $0.service != event.module }
            } else if let ended = Self.ends[event.kind] {
                open.remove(Trouble(kind: ended, service: event.module))
            } else if Self.ends.values.contains(event.kind) {
                open.insert(Trouble(kind: event.kind, service: event.module))
            }
        }
    }

    init(after store: Store) async {
        let kinds = [Self.removal] + Self.ends.keys + Self.ends.values
        self.init(after: (try? await store.events(of: kinds, limit: Self.searchedEvents)) ?? [])
    }

    /// - Returns: `nil` for the end of what was not told.
    mutating func event(of notice: TrafficNotice) -> Event? {
        if let ended = notice.ends {
            guard open.remove(Trouble(kind: ended, service: notice.service)) != nil else { return nil }
        } else if Self.ends.values.contains(notice.kind) {
            open.insert(Trouble(kind: notice.kind, service: notice.service))
        }
        return Event(
            at: .now(), kind: notice.kind, module: notice.service, instance: notice.instance, message: notice.message)
    }
}
