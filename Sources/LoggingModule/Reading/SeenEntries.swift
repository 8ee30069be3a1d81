/// Which numbered entries of each instance were seen, to fold what was sent twice.
///
/// Entries mostly come one after the other, so that a few ranges say it all. When there are too many the oldest two become
/// one: what was between them counts as seen.
struct SeenEntries: Sendable, Codable {
    private static let mostRanges = 64
    /// Of so many instances it is remembered.
    private static let mostInstances = 10_000

    private var ranges: [String: [ClosedRange<Int64>]] = [:]

    /// - Returns: whether the entry had not been seen.
    mutating func insert(_ entry: Int64, of instance: String) -> Bool {
        guard let index = ranges.index(forKey: instance) else {
            if ranges.count >= Self.mostInstances { ranges = [:] }
            ranges[instance] = [entry...entry]
            return true
        }
        return Self.insert(entry, into: &ranges.values[index])
    }

    private static func insert(_ entry: Int64, into known: inout [ClosedRange<Int64>]) -> Bool {
        // The usual one: the next.
        if let last = known.last, entry &- 1 == last.upperBound {
            known[known.count - 1] = last.lowerBound...entry
            return true
        }
        let index = known.firstIndex { $0.upperBound >= entry } ?? known.count
        if index < known.count, known[index].contains(entry) { return false }
        if index == 0, known.count >= mostRanges { return false }
        known.insert(entry...entry, at: index)
        if index + 1 < known.count, known[index + 1].lowerBound &- 1 == entry {
            known[index] = entry...known.remove(at: index + 1).upperBound
        }
        if index > 0, known[index - 1].upperBound == entry &- 1 {
            known[index - 1] = known[index - 1].lowerBound...known.remove(at: index).upperBound
        }
        if known.count > mostRanges { known[0] = known[0].lowerBound...known.remove(at: 1).upperBound }
        return true
    }
}
