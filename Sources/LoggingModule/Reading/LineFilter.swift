import FoundationEssentials
import LogBroker
import OrchModel

/// Decides for each record whether it is shown: puts the parts of long lines together, folds what was sent twice, and lets
/// stack traces follow the line that they belong to.
struct LineFilter: Sendable {
    /// A line is cut off behind so many bytes.
    static let longestLine = 1 << 20
    /// Shorter values are no parts of longer lines: `orch-shim` cuts there.
    private static let shortestPart = 16_384
    /// Streams whose state is kept. When there are more, those go that are in the middle of nothing; if that does not help, all.
    private static let mostStreams = 4096

    /// What is known of one stream of one instance.
    private struct Stream {
        var parts: [UInt8] = []
        var traces = TraceGrouper()
        /// The last line that did not go on from another.
        var head: (seq: Int64, level: LogLevel, isShown: Bool) = (0, .unknown, false)
        /// The newest lines that were not shown, for whoever wants to see what came before.
        var before: [LogLine] = []
        /// So many lines behind the last match are still to be shown.
        var after = 0

        var isIdle: Bool { parts.isEmpty && !head.isShown && after == 0 }
    }

    private let query: LogQuery
    private let pattern: LinePattern?
    private let fields: [FieldFilter]
    private var seen = SeenEntries()
    private var streams: [String: Stream] = [:]
    /// Instances with streams that are in the middle of something, so that their next line has to be looked at.
    private var busy: [String: Set<String>] = [:]
    /// The short forms of their names, and of those that are asked for.
    private var busyHashes: Set<UInt64> = []
    private let wantedHashes: Set<UInt64>

    /// - Throws: `invalidRequest` for a pattern that is no regular expression.
    init(_ query: LogQuery) throws(OrchError) {
        self.query = query
        pattern = try query.pattern.map { (text) throws(OrchError) in try LinePattern(text) }
        fields = query.fields.map(FieldFilter.init)
        wantedHashes = Set(query.instances.map(ReadRecord.hash(of:)))
    }

    /// - Parameter emit: gets the lines that are shown for this record, in order.
    mutating func take(_ record: ReadRecord, emit: (LogLine) -> Void) {
        let hash = wantedHashes.isEmpty && busyHashes.isEmpty ? nil : record.keyHash
        if let hash, !wantedHashes.isEmpty, !wantedHashes.contains(hash) { return }
        // Most lines of a search match nothing: what they are need not be known.
        let mayBeBusy = !busyHashes.isEmpty && hash.map(busyHashes.contains) ?? true
        if leavesOut, !mayBeBusy, record.value.count < Self.shortestPart, !matchesText(record.value) { return }
        let head = record.head
        if !query.instances.isEmpty, !query.instances.contains(head.instance) { return }
        // What was sent twice after a crash comes with a number that was seen.
        if head.seq > 0, !seen.insert(head.seq, of: head.instance) { return }
        let key = "\(head.instance)/\(head.stream)"
        var stream = streams.removeValue(forKey: key) ?? Stream()
        take(record, head, &stream, emit)
        if streams.count >= Self.mostStreams { forgetStreams() }
        note(stream.isIdle, head)
        streams[key] = stream
    }

    /// Whether nothing of these records can be shown, which is seen without taking them apart.
    func leavesOutAll(of records: RecordSet) -> Bool {
        // What is looked for may go on from one part of a line to the next.
        guard leavesOut, busy.isEmpty, !records.hasRecord(of: Self.shortestPart) else { return false }
        return records.withBytes { bytes in
            pattern?.isNowhere(in: bytes) ?? false || fields.contains { $0.isNowhere(in: bytes) }
        }
    }

    private mutating func forgetStreams() {
        streams = streams.filter { !$0.value.isIdle }
        guard streams.count >= Self.mostStreams else { return }
        (streams, busy, busyHashes) = ([:], [:], [])
    }

    private mutating func note(_ isIdle: Bool, _ head: LogRecord) {
        if !isIdle {
            busy[head.instance, default: []].insert(head.stream)
            busyHashes.insert(ReadRecord.hash(of: head.instance))
        } else if busy[head.instance]?.remove(head.stream) != nil, busy[head.instance]?.isEmpty == true {
            busy[head.instance] = nil
            busyHashes.remove(ReadRecord.hash(of: head.instance))
        }
    }

    private func matchesText(_ line: UnsafeRawBufferPointer) -> Bool {
        pattern?.matches(line) ?? true && fields.allSatisfy { $0.matches(line) }
    }

    private func take(
        _ record: ReadRecord, _ head: LogRecord, _ stream: inout Stream, _ emit: (LogLine) -> Void
    ) {
        if head.isPartial, stream.parts.count + record.value.count < Self.longestLine {
            stream.parts += record.value
            return
        }
        guard stream.parts.isEmpty else {
            stream.parts += record.value
            let whole = stream.parts
            stream.parts = []
            whole.withUnsafeBytes { judge($0, head, record.place, &stream, emit) }
            return
        }
        judge(record.value, head, record.place, &stream, emit)
    }

    private func judge(
        _ text: UnsafeRawBufferPointer, _ record: LogRecord, _ place: TopicPlace, _ stream: inout Stream,
        _ emit: (LogLine) -> Void
    ) {
        let goesOn = stream.traces.continues(text)
        let level = goesOn && record.level == .unknown ? stream.head.level : record.level
        let isWanted =
            isInTime(record) && query.level.map { level >= $0 } ?? true
            && (goesOn && stream.head.isShown || matchesText(text))
        if !goesOn { stream.head = (record.seq, level, isWanted && isSelective) }
        guard isWanted || query.context > 0, let topic = TopicName(rawValue: place.topic) else { return }
        let valid = String(validating: text, as: UTF8.self)
        var line = LogLine(
            at: record.at, topic: topic, instance: record.instance, stream: record.stream, level: level.rawValue,
            seq: record.seq, line: valid ?? String(decoding: text, as: UTF8.self),
            base64: valid == nil ? Data(text).base64EncodedString() : nil,
            continues: goesOn && (stream.head.isShown || !leavesOut) ? stream.head.seq : nil)
        if isWanted {
            for earlier in stream.before { emit(earlier) }
            stream.before = []
            stream.after = query.context
            emit(line)
        } else if isInTime(record) {
            line.context = true
            if stream.after > 0 {
                stream.after -= 1
                emit(line)
            } else {
                stream.before.append(line)
                if stream.before.count > query.context { stream.before.removeFirst() }
            }
        }
    }

    /// Whether lines that do not match are not even looked at. Levels need all of them, because a trace has that of its head.
    private var leavesOut: Bool {
        (pattern != nil || !fields.isEmpty) && query.context == 0 && query.level == nil
    }

    /// Whether anything but the time decides: otherwise there is no need to follow traces.
    private var isSelective: Bool { pattern != nil || !fields.isEmpty || query.level != nil }

    private func isInTime(_ record: LogRecord) -> Bool {
        query.since.map { record.at >= $0 } ?? true && query.until.map { record.at <= $0 } ?? true
    }
}
