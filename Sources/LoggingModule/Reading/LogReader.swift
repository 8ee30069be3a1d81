import LogBroker
import OrchKafka
package import OrchModel
import Synchronization

/// Answers queries from the topics themselves.
package struct LogReader: Sendable {
    /// Lines that are sorted by time before they are handed on. Instances are shipped side by side, so that records of
    /// neighbouring times may stand some thousands apart.
    private static let sortWindow = 8192

    private let source: any TopicSource

    package init(source: any TopicSource) { self.source = source }

    /// All topics with their numbers of partitions.
    package func topics() async throws(OrchError) -> [String: Int] { try await source.topics() }

    package func recordCount(of topic: String, partitions: Int) async throws(OrchError) -> Int64 {
        var count: Int64 = 0
        for partition in 0..<Int32(partitions) {
            let bounds = try await source.bounds(of: TopicPlace(topic: topic, partition: partition))
            count += bounds.end - bounds.start
        }
        return count
    }

    package typealias Deliver = @Sendable (_ lines: [LogLine], _ position: LogPosition?) async throws -> Void

    /// Finds what is wrong with a query before anything is read, and makes the topics that it expects.
    ///
    /// - Throws: as ``read(_:deliver:)`` does.
    package func check(_ query: LogQuery) async throws(OrchError) {
        _ = try LineFilter(query)
        var existing = try await source.topics()
        let unwritten = query.expectedTopics.filter { existing[$0.rawValue] == nil }
        if !unwritten.isEmpty {
            for topic in unwritten { try await source.make(topic.rawValue) }
            existing = try await source.topics()
        }
        for topic in query.topics where existing[topic.rawValue] == nil {
            let hint =
                nearest(to: topic.rawValue, in: existing.keys).map { "; did you mean \($0)?" }
                ?? ": 'orch topics' lists them"
            throw OrchError(.notFound, "there is no topic \(topic)\(hint)")
        }
    }

    /// Hands matching lines on, in order of time as far as they lie there already, and then, when the query follows, as they come.
    ///
    /// - Parameter deliver: gets lines, and where to go on after them once that is known; waiting in it makes the reading
    ///   wait.
    /// - Throws: `notFound` for a topic that does not exist, `invalidRequest` for a bad pattern.
    package func read(_ query: LogQuery, deliver: @escaping Deliver) async throws {
        try await check(query)
        try await read(query, from: source, deliver)
    }

    private func read(_ query: LogQuery, from source: some TopicSource, _ deliver: @escaping Deliver) async throws {
        var ranges = try await ranges(of: query, in: source)
        if let tail = query.tail, query.position == nil {
            let lines = try await lastLines(tail, ranges, query, source)
            ranges = ranges.mapValues { ($0.end, $0.end) }
            try await deliver(lines, nil)
        }
        var progress = Progress(filter: try LineFilter(query), offsets: ranges.mapValues(\.start))
        try await source.withCursor(progress.offsets) { cursor in
            try await Self.drain(cursor, ranges, &progress) { lines in try await deliver(lines, nil) }
        }
        guard query.follow, !Task.isCancelled else { return }
        try await deliver([], LogPosition(progress.offsets))
        try await follow(progress, query, source, deliver)
    }

    /// What of each partition the query is about. The end is that of the partition also where a time is given: what an
    /// instance wrote before it may lie behind what another wrote after it, because spools are shipped one after the other
    /// when the broker was away.
    private func ranges(of query: LogQuery, in source: some TopicSource) async throws -> Ranges {
        let existing = try await source.topics()
        var ranges: Ranges = [:]
        for topic in query.topics {
            for partition in 0..<Int32(existing[topic.rawValue] ?? 0) {
                let place = TopicPlace(topic: topic.rawValue, partition: partition)
                var bounds = try await source.bounds(of: place)
                if let since = query.since {
                    bounds.start = min(bounds.end, max(bounds.start, try await source.offset(of: place, at: since)))
                }
                if let known = query.position?.offsets[place] {
                    bounds.start = min(max(bounds.start, known), bounds.end)
                }
                ranges[place] = bounds
            }
        }
        return ranges
    }

    private typealias Ranges = [TopicPlace: (start: Int64, end: Int64)]

    /// How far a query is: what the filter remembers, and where each partition is read next.
    private struct Progress: Sendable {
        var filter: LineFilter
        var offsets: [TopicPlace: Int64]

        mutating func take(_ batch: ReadBatch, upTo ends: Ranges? = nil, _ emit: (LogLine) -> Void) {
            for (place, records) in batch.local {
                let end = ends?[place]?.end ?? .max
                var next = offsets[place] ?? 0
                if filter.leavesOutAll(of: records) {
                    next = max(next, min(records.nextOffset, end))
                } else {
                    records.visit { record in
                        guard record.offset < end else { return false }
                        if record.offset >= next {
                            next = record.offset + 1
                            filter.take(ReadRecord(record, in: place), emit: emit)
                        }
                        return true
                    }
                }
                offsets[place] = next
            }
            batch.remote?.visit { record in
                let place = TopicPlace(topic: record.topic, partition: record.partition)
                if let end = ends?[place]?.end, record.offset >= end { return }
                guard record.offset >= offsets[place] ?? 0 else { return }
                offsets[place] = record.offset + 1
                filter.take(ReadRecord(record, in: place), emit: emit)
            }
        }
    }

    /// Reads up to the ends, and sorts within a window that slides along.
    private static func drain(
        _ cursor: some TopicCursor, _ ranges: Ranges, _ progress: inout Progress,
        _ deliver: ([LogLine]) async throws -> Void
    ) async throws {
        var open = Set(ranges.filter { $0.value.start < $0.value.end }.keys)
        var window = TimeWindow()
        while !open.isEmpty, !Task.isCancelled {
            let batch = try await cursor.next()
            progress.take(batch, upTo: ranges) { window.add($0) }
            open = open.filter { progress.offsets[$0] ?? 0 < ranges[$0]?.end ?? 0 }
            open.subtract(batch.ends)
            if window.count > 2 * sortWindow { try await deliver(window.takeEarliest(sortWindow)) }
        }
        let rest = window.takeEarliest(window.count)
        if !rest.isEmpty { try await deliver(rest) }
    }

    /// Steps back from the ends until enough lines match, each time four times as far.
    private func lastLines(_ count: Int, _ ranges: Ranges, _ query: LogQuery, _ source: some TopicSource) async throws
        -> [LogLine]
    {
        guard count > 0 else { return [] }
        var reach = Int64(max(count * 2, 200))
        while true {
            let starts = ranges.mapValues { (start: max($0.start, $0.end - reach), end: $0.end) }
            var found: [LogLine] = []
            var progress = Progress(filter: try LineFilter(query), offsets: starts.mapValues(\.start))
            try await source.withCursor(progress.offsets) { cursor in
                try await Self.drain(cursor, starts, &progress) { lines in
                    found.append(contentsOf: lines)
                    if found.count > 2 * count + Self.sortWindow {
                        found.removeFirst(found.count - count - Self.sortWindow)
                    }
                }
            }
            let isAll = ranges.allSatisfy { $0.value.end - reach <= $0.value.start }
            if found.count >= count || isAll || Task.isCancelled {
                return Array(found.suffix(count))
            }
            reach *= 4
        }
    }

    // MARK: Following

    /// Hands lines on as they come, until the task is cancelled or the query is over.
    private func follow(
        _ progress: Progress, _ query: LogQuery, _ source: some TopicSource, _ deliver: @escaping Deliver
    ) async throws {
        let goal = Goal(reached: progress.offsets)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var progress = progress
                try await source.withCursor(progress.offsets) { cursor in
                    while !Task.isCancelled {
                        var lines: [LogLine] = []
                        progress.take(try await cursor.next()) { lines.append($0) }
                        if !lines.isEmpty { try await deliver(lines, LogPosition(progress.offsets)) }
                        if goal.isReached(by: progress.offsets) { return }
                    }
                }
            }
            if let whenOver = query.whenOver {
                group.addTask {
                    await whenOver()
                    guard let ends = try? await self.ranges(of: LogQuery(topics: query.topics), in: source) else {
                        return
                    }
                    // What is still to come is handed on first.
                    if !goal.set(ends.mapValues(\.end)) { try? await Task.sleep(for: .seconds(Self.patience)) }
                }
            }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Once it is over, what has come is read within so many seconds.
    private static let patience = 60

    /// Where following may end, and how far it is.
    private final class Goal: Sendable {
        private let state: Mutex<(reached: [TopicPlace: Int64], ends: [TopicPlace: Int64]?)>

        init(reached: [TopicPlace: Int64]) { state = Mutex((reached, nil)) }

        func isReached(by offsets: [TopicPlace: Int64]) -> Bool {
            state.withLock { state in
                state.reached = offsets
                return Self.isReached(state.reached, state.ends)
            }
        }

        /// - Returns: whether it is reached already.
        func set(_ ends: [TopicPlace: Int64]) -> Bool {
            state.withLock { state in
                state.ends = ends
                return Self.isReached(state.reached, ends)
            }
        }

        private static func isReached(_ offsets: [TopicPlace: Int64], _ ends: [TopicPlace: Int64]?) -> Bool {
            guard let ends else { return false }
            return ends.allSatisfy { place, end in offsets[place].map { $0 >= end } ?? true }
        }
    }
}
