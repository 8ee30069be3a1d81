import OrchModel
import OrchSystem
import Synchronization

/// What the tasks of a feed share, and how far it has read.
final class FeedState: Sendable {
    /// Where reading begins.
    enum Beginning: Sendable, Equatable {
        case at(Int64)
        /// What was there before anybody watched is history.
        case end
        /// It has turned up while nobody looked, or just now.
        case recent
    }

    private struct State {
        var offsets: [NotifierStore.Place: Int64]
        /// What the broker does not know yet.
        var uncommitted: [NotifierStore.Place: Int64] = [:]
        /// Nothing was ever read.
        let isFirst: Bool
        /// Topics that the consumer of now reads.
        var started: Set<String> = []
        /// Topics that there were when they were looked at last, and those of them that rules were about.
        var last: (listed: Set<String>, wanted: Set<String>)?
        /// What is not read to its end yet.
        var behind: Set<NotifierStore.Place> = []
    }

    /// Since a broker came back, what has come meanwhile arrives within this time.
    private static let settleTime = TimeSpan.seconds(2)

    let outage = Outage()
    private let state: Mutex<State>

    init(offsets: [NotifierStore.Place: Int64]) {
        state = Mutex(State(offsets: offsets, isFirst: offsets.isEmpty))
    }

    func note(_ offsets: [NotifierStore.Place: Int64]) {
        state.withLock { state in
            state.offsets.merge(offsets) { $1 }
            state.uncommitted.merge(offsets) { $1 }
        }
    }

    func takeUncommitted() -> [NotifierStore.Place: Int64] {
        state.withLock { state in
            defer { state.uncommitted = [:] }
            return state.uncommitted
        }
    }

    func note(listed: Set<String>, wanted: Set<String>) { state.withLock { $0.last = (listed, wanted) } }

    func beginning(of place: NotifierStore.Place) -> Beginning {
        state.withLock { state in
            if let last = state.last, last.listed.contains(place.topic), !last.wanted.contains(place.topic) {
                // A rule about it holds from now on.
                return .end
            }
            if let offset = state.offsets[place] { return .at(offset) }
            return state.isFirst && state.last == nil ? .end : .recent
        }
    }

    func begin(_ topic: String, _ places: [NotifierStore.Place: Int64]) {
        state.withLock { state in
            state.offsets.merge(places) { $1 }
            state.started.insert(topic)
            state.behind.formUnion(places.keys)
        }
    }

    func isStarted(_ topic: String) -> Bool { state.withLock { $0.started.contains(topic) } }

    /// Another consumer begins.
    func forgetStarted() {
        state.withLock { state in
            state.started = []
            state.behind = []
        }
    }

    func reachedEnd(_ place: NotifierStore.Place) { state.withLock { _ = $0.behind.remove(place) } }

    /// Whether everything was read that there is, so that what is missing is missing.
    var isCurrent: Bool {
        state.withLock { !$0.started.isEmpty && $0.behind.isEmpty } && outage.isOver(for: Self.settleTime)
    }
}

/// Since when a broker has not answered.
final class Outage: Sendable {
    private struct State {
        var begun: Timestamp?
        var ended: Timestamp?
    }

    private let state = Mutex(State())

    var since: Timestamp? { state.withLock(\.begun) }

    func begin() { state.withLock { $0.begun = $0.begun ?? .now() } }

    func end() {
        state.withLock { state in
            if state.begun != nil { state.ended = .now() }
            state.begun = nil
        }
    }

    func isOver(for span: TimeSpan) -> Bool {
        state.withLock { $0.begun == nil && ($0.ended.map { .now() - $0 >= span } ?? true) }
    }
}
