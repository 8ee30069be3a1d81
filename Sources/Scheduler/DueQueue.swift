import HeapModule
import OrchModel

/// When each schedule is acted on next, the earliest at hand.
struct DueQueue: Sendable {
    struct Entry: Comparable, Sendable {
        /// When it is acted on: at the due time, or later by the jitter.
        var fires: Timestamp
        var due: Timestamp
        var name: ModuleName

        static func < (left: Entry, right: Entry) -> Bool {
            (left.fires, left.name) < (right.fires, right.name)
        }
    }

    /// Holds also what has been replaced since; ``entries`` tells.
    private var heap = Heap<Entry>()
    private var entries: [ModuleName: Entry] = [:]

    subscript(name: ModuleName) -> Entry? { entries[name] }

    mutating func set(_ entry: Entry) {
        entries[entry.name] = entry
        heap.insert(entry)
    }

    mutating func remove(_ name: ModuleName) { entries[name] = nil }

    /// The earliest time at which something is to be done.
    var earliest: Timestamp? {
        mutating get {
            dropReplaced()
            return heap.min?.fires
        }
    }

    /// Takes out the earliest one if its time has come.
    mutating func popDue(at now: Timestamp) -> Entry? {
        dropReplaced()
        guard let first = heap.min, first.fires <= now else { return nil }
        entries[first.name] = nil
        return heap.removeMin()
    }

    private mutating func dropReplaced() {
        while let first = heap.min, entries[first.name] != first { heap.removeMin() }
    }
}
