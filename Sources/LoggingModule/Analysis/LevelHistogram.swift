import OrchModel

/// Counts lines by level over time, in spans that grow with the stretch they cover.
struct LevelHistogram {
    private static let mostBuckets = 600
    /// Widths that people know, in seconds.
    private static let widths: [Int64] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800,
    ]

    private(set) var width: Int64 = 1
    private var counts: [Int64: [LogLevel: Int]] = [:]

    mutating func add(_ level: LogLevel, at time: Timestamp) {
        counts[time.seconds.floorDivided(by: width), default: [:]][level, default: 0] += 1
        if counts.count > Self.mostBuckets { widen() }
    }

    /// Makes the spans wider until there are at most so many of them, those in between without a line included.
    mutating func fold(into most: Int) {
        while let first = counts.keys.min(), let last = counts.keys.max(), last - first + 1 > most,
            width < Self.widths.last ?? 0
        {
            widen()
        }
    }

    private mutating func widen() {
        let width = width
        guard let wider = Self.widths.first(where: { $0 > width }) else { return }
        var folded: [Int64: [LogLevel: Int]] = [:]
        for (bucket, levels) in counts {
            folded[(bucket * width).floorDivided(by: wider), default: [:]].merge(levels, uniquingKeysWith: +)
        }
        counts = folded
        self.width = wider
    }

    /// One after the other, without a hole.
    var buckets: [(at: Timestamp, levels: [LogLevel: Int])] {
        guard let first = counts.keys.min(), let last = counts.keys.max() else { return [] }
        return (first...last).map { (Timestamp(seconds: $0 * width), counts[$0] ?? [:]) }
    }
}
