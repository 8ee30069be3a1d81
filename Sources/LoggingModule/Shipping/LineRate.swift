import OrchModel

/// Lets so many lines a second pass and counts the others. Goes by the lines' own times, so that it decides the same when
/// they are sent again.
struct LineRate {
    /// 0 for no limit.
    let linesPerSecond: Int
    private var second: Int64 = .min
    private var passed = 0
    /// Lines that were left out since ``takeSuppressed()``.
    private(set) var suppressed: Int64 = 0
    /// The number of the last of them.
    private(set) var lastSuppressed: Int64 = 0

    init(linesPerSecond: Int) { self.linesPerSecond = linesPerSecond }

    /// Whether a line of another second than the last is next, so that what was left out is to be told first.
    func isDue(at time: Timestamp) -> Bool { suppressed > 0 && time.seconds != second }

    /// Whether the line with number `entry` passes.
    mutating func admits(_ entry: Int64, at time: Timestamp) -> Bool {
        guard linesPerSecond > 0 else { return true }
        if time.seconds != second {
            second = time.seconds
            passed = 0
        }
        guard passed < linesPerSecond else {
            suppressed += 1
            lastSuppressed = entry
            return false
        }
        passed += 1
        return true
    }

    mutating func takeSuppressed() -> Int64 {
        defer { suppressed = 0 }
        return suppressed
    }
}
