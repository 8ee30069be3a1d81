import Glibc
import OrchModel

/// An instance in a table.
struct InstanceRow {
    let view: InstanceView
    let history: ActivityHistory
    private var activity: ActivityHistory.InstanceActivity? { history[view.id] }

    func key(of column: String) -> SortKey {
        switch column {
        case "module": .text(view.module.rawValue)
        case "state": .text(view.state.rawValue)
        case "version": .text(view.version)
        case "since": .number(Double(view.since.seconds))
        case "restarts": .number(Double(view.restarts))
        case "cpu": .number(activity?.processor.last ?? 0)
        case "memory": .number(activity?.memory.last ?? 0)
        default: .text(view.id.rawValue)
        }
    }

    /// Whether it has what somebody searches for.
    func contains(_ word: String) -> Bool {
        func isIn(_ text: String) -> Bool { text.utf8.holds(word.utf8) }
        return isIn(view.id.rawValue) || isIn(view.state.rawValue) || isIn(view.version) || isIn(view.server)
            || isIn(view.runtime.rawValue) || !view.reason.isEmpty && isIn(view.reason.lowercased())
            || view.ports.values.contains { String($0) == word }
    }

    /// - Parameter here: where to come back to after a change.
    func fields(here: String) -> Fields {
        let activity = activity
        let ports = view.ports.sorted { $0.key < $1.key }.map { "127.0.0.1:\($0.value)" }
        // What is not there must not be taken from what surrounds the row.
        return ["reason": false, "exit": false, "placement": false].merging(
            Fields(present: [
                "id": view.id, "module": view.module, "state": view.state.rawValue, "reason": view.reason,
                "version": view.version, "revision": view.revision, "runtime": view.runtime.rawValue,
                "server": view.server, "pid": view.pid, "addresses": ports.joined(separator: " "),
                "restarts": view.restarts, "restarted": view.restarts > 0, "lost": view.lost, "hasLost": view.lost > 0,
                "since": Wording.time(view.since),
                "exit": view.exit.map(\.description).flatMap { view.reason.contains($0) ? nil : $0 },
                "placement": view.placement,
                "cpu": activity?.processor.last.map(Wording.cores), "memory": activity?.memory.last.map(Wording.bytes),
                "canStart": !view.state.isActive, "canRestart": view.state.isActive,
                "canStop": view.state.isActive || view.state == .backoff, "here": here,
            ])
        ) { $1 }
    }
}

extension String.UTF8View {
    /// Thousands of texts are searched at each key that is pressed: by bytes, as ids and words are.
    fileprivate func holds(_ word: Self) -> Bool {
        withContiguousStorageIfAvailable { text in
            word.withContiguousStorageIfAvailable { word in
                guard text.count >= word.count, let start = text.baseAddress, let wanted = word.baseAddress else {
                    return word.isEmpty
                }
                return (0...text.count - word.count).contains { memcmp(start + $0, wanted, word.count) == 0 }
            }
        } == true
    }
}
