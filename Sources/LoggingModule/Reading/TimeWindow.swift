import OrchModel

/// Lines that wait to be put in order of time. Those of one instance stay as they came, even where its clock was set back.
struct TimeWindow {
    private var lines: [(time: Timestamp, line: LogLine)] = []
    private var newest: [String: Timestamp] = [:]
    /// Of so many instances the newest time is remembered.
    private static let mostInstances = 10_000

    var count: Int { lines.count }

    mutating func add(_ line: LogLine) {
        if newest.count > Self.mostInstances { newest = [:] }
        let time = max(newest[line.instance] ?? line.at, line.at)
        newest[line.instance] = time
        lines.append((time, line))
    }

    mutating func takeEarliest(_ count: Int) -> [LogLine] {
        // The standard sort keeps the order of equals (SE-0372).
        lines.sort { $0.time < $1.time }
        let taken = lines.prefix(count).map(\.line)
        lines.removeFirst(taken.count)
        return taken
    }
}
