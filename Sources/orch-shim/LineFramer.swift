import COrchSystem

/// Cuts one output stream into lines of the CRI log format: `RFC3339Nano stream F line`, with tag `P` where a line goes
/// on in the next entry (Kubernetes, "CRI: Log format").
struct LineFramer {
    /// Longer lines are written in parts; the container runtimes use the same bound.
    static let longestPart = 16_384

    private let stream: StaticString
    private var pending = Bytes()

    init(stream: StaticString) { self.stream = stream }

    /// Frames what was read at `time`, and appends the entries to `output`.
    /// - Returns: how many entries that were.
    mutating func frame(_ input: UnsafeRawBufferPointer, at time: Bytes, into output: inout Bytes) -> Int64 {
        var entries: Int64 = 0
        var start = 0
        for index in 0..<input.count where input[index] == 10 {
            append(input, start..<index, at: time, into: &output, &entries)
            writeEntry(full: true, at: time, into: &output)
            entries += 1
            start = index + 1
        }
        append(input, start..<input.count, at: time, into: &output, &entries)
        return entries
    }

    /// Writes what is left of a last line without an end.
    mutating func finish(at time: Bytes, into output: inout Bytes) -> Int64 {
        guard !pending.isEmpty else { return 0 }
        writeEntry(full: true, at: time, into: &output)
        return 1
    }

    private mutating func append(
        _ input: UnsafeRawBufferPointer, _ range: Range<Int>, at time: Bytes, into output: inout Bytes,
        _ entries: inout Int64
    ) {
        var rest = range
        while pending.count + rest.count > Self.longestPart {
            let cut = rest.lowerBound + Self.longestPart - pending.count
            pending.append(contentsOf: input[rest.lowerBound..<cut])
            writeEntry(full: false, at: time, into: &output)
            entries += 1
            rest = cut..<rest.upperBound
        }
        pending.append(contentsOf: input[rest])
    }

    private mutating func writeEntry(full: Bool, at time: Bytes, into output: inout Bytes) {
        output.append(contentsOf: time)
        output.append(stream)
        output.append(full ? " F " : " P ")
        output.append(contentsOf: pending)
        output.append(10)
        pending.removeAll(keepingCapacity: true)
    }
}

/// Formats the wall clock as RFC 3339 with nanoseconds and a space behind; the date is computed once a second.
struct ClockText {
    private var second: Int64 = -1
    private var prefix = Bytes()

    mutating func now() -> Bytes {
        let time = orch_wall_clock()
        if time / 1_000_000_000 != second {
            second = time / 1_000_000_000
            prefix = Self.date(second)
        }
        var text = prefix
        text.append(time % 1_000_000_000, width: 9)
        text.append("Z ")
        return text
    }

    /// The civil date by Howard Hinnant's `civil_from_days`, for times after 1970.
    private static func date(_ seconds: Int64) -> Bytes {
        let shifted = seconds / 86_400 + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        var text = Bytes()
        text.append(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), width: 4)
        text.append("-")
        text.append(month, width: 2)
        text.append("-")
        text.append(dayOfYear - (153 * monthIndex + 2) / 5 + 1, width: 2)
        text.append("T")
        text.append(seconds % 86_400 / 3600, width: 2)
        text.append(":")
        text.append(seconds % 3600 / 60, width: 2)
        text.append(":")
        text.append(seconds % 60, width: 2)
        text.append(".")
        return text
    }
}
