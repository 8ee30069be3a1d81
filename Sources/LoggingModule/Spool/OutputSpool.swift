import OrchModel
import OrchSystem

/// Keeps the output of one instance that somebody else captures, such as a container engine, as a spool.
///
/// After a crash it knows what it has: whoever captures the output hands over all from ``resumeTime`` on, and what is
/// there already is left out. Streams are told apart, because an engine keeps the order of times in each alone.
struct OutputSpool: ~Copyable {
    /// What was taken last of one stream.
    private struct Mark: Equatable {
        var at: Timestamp
        /// Entries of just this time.
        var count: Int
    }

    /// Entries of two streams may be out of order by as much.
    private static let disorder = TimeSpan.seconds(2)
    private static let largestSegment: Int64 = 8 << 20
    private static let smallestSpool: Int64 = 1 << 20

    /// Where the output comes from; no blanks.
    let source: String
    private let folder: String
    private let limits: LogSpec
    private let segmentSize: Int64
    private var segments: SpoolSegments
    private var marks: [OutputEntry.Stream: Mark]
    /// Of entries that come once more: what was here before, until the first new one.
    private var known: [OutputEntry.Stream: Mark] = [:]

    /// - Parameters:
    ///   - folder: the instance's spool; made where it is missing.
    ///   - source: what is there of another is of no account for what comes from this one.
    init(folder: String, source: String, limits: LogSpec) throws(SystemError) {
        self.folder = folder
        self.source = source
        self.limits = limits
        let size = max(limits.spool.bytes, Self.smallestSpool)
        segmentSize = min(Self.largestSegment, size / 4)
        segments = try SpoolSegments(folder: folder, segmentSize: Int(segmentSize))
        if let known = Self.recover(folder, source) {
            marks = known
        } else {
            marks = [:]
            segments.finish()
        }
    }

    /// From when on entries are wanted; `nil` for all. From now on those are expected once more.
    mutating func resume() -> Timestamp? {
        known = marks
        return marks.values.map(\.at).max().map { $0 - Self.disorder }
    }

    /// Whether as much waits to be shipped as may, and the instance shall wait for that.
    var isFull: Bool { limits.whenFull == .block && segments.totalSize >= limits.spool.bytes }

    /// Those that are not here yet.
    mutating func new(of entries: [OutputEntry]) -> [OutputEntry] {
        known.isEmpty ? entries : entries.filter { !isKnown($0) }
    }

    private mutating func isKnown(_ entry: OutputEntry) -> Bool {
        guard let mark = known[entry.stream] else { return false }
        if entry.at < mark.at { return true }
        if entry.at == mark.at, mark.count > 0 {
            known[entry.stream]?.count -= 1
            return true
        }
        known[entry.stream] = nil
        return false
    }

    /// Keeps an entry. When it throws nothing has changed.
    mutating func append(_ entry: OutputEntry) throws(SystemError) {
        let head = "\(entry.at) \(entry.stream.name) \(entry.isPartial ? "P" : "F") "
        let line = Array(head.utf8) + entry.text + [UInt8(ascii: "\n")]
        if segments.isFull(with: line.count) {
            // What comes before the new segment is not read again after a crash.
            try Files.replace(Self.marksFile(folder), with: Self.encoded(marks, source, before: segments.nextEntry))
            try segments.begin()
            if limits.whenFull == .dropOldest { segments.dropOldest(above: limits.spool.bytes - segmentSize) }
        }
        try segments.append(line, entries: 1)
        Self.take(entry.stream, entry.at, &marks)
    }

    private static func take(_ stream: OutputEntry.Stream, _ time: Timestamp, _ marks: inout [OutputEntry.Stream: Mark])
    {
        let count = marks[stream].map { $0.at == time ? $0.count : 0 } ?? 0
        marks[stream] = Mark(at: time, count: count + 1)
    }

    // MARK: What survives a crash

    private static func marksFile(_ folder: String) -> String { "\(folder)/marks" }

    /// `SEGMENT SOURCE` and for each stream `NAME NANOSECONDS COUNT`.
    private static func encoded(_ marks: [OutputEntry.Stream: Mark], _ source: String, before segment: Int64) -> String
    {
        marks.reduce("\(segment) \(source)") { $0 + " \($1.key.name) \($1.value.at.nanoseconds) \($1.value.count)" }
            + "\n"
    }

    /// What was written down when the newest segment was begun, and what stands in that.
    ///
    /// - Returns: `nil` where that is of another source.
    private static func recover(_ folder: String, _ source: String) -> [OutputEntry.Stream: Mark]? {
        let words = ((try? Files.readText(marksFile(folder))) ?? "").split(whereSeparator: \.isWhitespace)
        guard words.count > 1, words[1] == source else { return nil }
        var marks: [OutputEntry.Stream: Mark] = [:]
        for index in stride(from: 2, to: words.count - 2, by: 3) {
            guard let stream = OutputEntry.Stream.allCases.first(where: { $0.name == words[index] }),
                let at = Int64(words[index + 1]), let count = Int(words[index + 2])
            else { continue }
            marks[stream] = Mark(at: Timestamp(nanoseconds: at), count: count)
        }
        guard let newest = SpoolFormat.segments(in: folder).last, let noted = words.first.flatMap({ Int64($0) }),
            newest >= noted, let bytes = try? Files.read("\(folder)/\(SpoolFormat.fileName(newest))")
        else { return marks }
        bytes.withUnsafeBytes { buffer in
            for line in buffer.split(separator: UInt8(ascii: "\n")) {
                let entry = SpoolEntry(buffer, line: line.startIndex..<line.endIndex, fallback: .init(nanoseconds: 0))
                take(entry.stream == OutputEntry.Stream.error.name ? .error : .output, entry.at, &marks)
            }
        }
        return marks
    }
}

extension OutputEntry.Stream {
    /// As spools and headers have it.
    var name: String { self == .error ? "stderr" : "stdout" }
}
