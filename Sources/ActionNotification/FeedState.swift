import OrchModel
import OrchSystem
import Synchronization

/// What the tasks of a feed share.
final class FeedState: Sendable {
    private struct State {
        var offsets: [NotifierStore.Place: Int64]
        var started: Set<String> = []
        var modules: [String: String] = [:]
        var isFirst: Bool
    }

    private let state: Mutex<State>

    init(offsets: [NotifierStore.Place: Int64]) {
        state = Mutex(State(offsets: offsets, isFirst: offsets.isEmpty))
    }

    func offset(of place: NotifierStore.Place) -> Int64? { state.withLock { $0.offsets[place] } }

    func note(_ offsets: [NotifierStore.Place: Int64]) { state.withLock { $0.offsets.merge(offsets) { $1 } } }

    /// Nothing was ever read.
    var isFirst: Bool {
        get { state.withLock { $0.isFirst } }
        set { state.withLock { $0.isFirst = newValue } }
    }

    /// Topics that are read.
    var started: Set<String> {
        get { state.withLock { $0.started } }
        set { state.withLock { $0.started = newValue } }
    }

    /// The modules that log to topics.
    var modules: [String: String] {
        get { state.withLock { $0.modules } }
        set { state.withLock { $0.modules = newValue } }
    }
}

/// Since when a broker has not answered.
final class Outage: Sendable {
    private let begun = Mutex<Timestamp?>(nil)

    var since: Timestamp? { begun.withLock(\.self) }

    func begin() { begun.withLock { $0 = $0 ?? .now() } }

    func end() { begun.withLock { $0 = nil } }
}
