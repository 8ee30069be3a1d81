package import Logging
package import OrchKafka
package import OrchModel
package import OrchSystem

/// Answers queries from the topics themselves.
package struct LogReader: Sendable {
    /// Lines that are sorted by time before they are handed on. Instances are shipped side by side, so that records of
    /// neighbouring times may stand some thousands apart.
    private static let sortWindow = 8192

    /// A reader lives for a moment mostly, and its topics must not wait for each other.
    private static let longestWait = TimeSpan.milliseconds(50)

    private let settings: KafkaSettings
    private let reactor: Reactor
    private let admin: KafkaAdmin
    private let logger: Logger

    package init(settings: KafkaSettings, reactor: Reactor, admin: KafkaAdmin, logger: Logger) {
        self.settings = settings
        self.reactor = reactor
        self.admin = admin
        self.logger = logger
    }

    /// Finds what is wrong with a query before anything is read.
    ///
    /// - Throws: as ``read(_:deliver:)`` does.
    package func check(_ query: LogQuery) async throws(OrchError) {
        _ = try LineFilter(query)
        let existing = try await admin.topics()
        for topic in query.topics where existing[topic.rawValue] == nil {
            let hint =
                nearest(to: topic.rawValue, in: existing.keys).map { "; did you mean \($0)?" }
                ?? ": 'orch topics' lists them"
            throw OrchError(.notFound, "there is no topic \(topic)\(hint)")
        }
    }

    private struct Place: Hashable {
        var topic: String
        var partition: Int32
    }

    /// Hands matching lines on, in order of time as far as they lie there already, and then, when the query follows, as they come.
    ///
    /// - Parameter deliver: gets one or more lines; waiting in it makes the reading wait.
    /// - Throws: `notFound` for a topic that does not exist, `invalidRequest` for a bad pattern.
    package func read(_ query: LogQuery, deliver: ([LogLine]) async throws -> Void) async throws {
        var ranges: [Place: (start: Int64, end: Int64)] = [:]
        try await check(query)
        let existing = try await admin.topics()
        for topic in query.topics {
            let partitions = existing[topic.rawValue] ?? 0
            for partition in 0..<Int32(partitions) {
                var bounds = try await admin.bounds(of: topic.rawValue, partition: partition)
                if let until = query.until {
                    // A batch may hold records of a little later and earlier; the filter decides about those.
                    let behind = try await admin.offset(
                        of: topic.rawValue, partition: partition, at: until + .seconds(1))
                    bounds.end = max(bounds.start, min(bounds.end, behind))
                }
                if let since = query.since {
                    bounds.start = max(
                        bounds.start, try await admin.offset(of: topic.rawValue, partition: partition, at: since))
                }
                ranges[Place(topic: topic.rawValue, partition: partition)] = bounds
            }
        }
        var filter = try LineFilter(query)
        if let tail = query.tail {
            let lines = try await lastLines(tail, ranges, query)
            if !lines.isEmpty { try await deliver(lines) }
            if !query.follow { return }
            ranges = ranges.mapValues { ($0.end, $0.end) }
        }
        try await withConsumer(ranges.mapValues(\.start)) { consumer in
            try await drain(consumer, ranges, &filter, isBounded: !query.follow, deliver)
            while query.follow, !Task.isCancelled {
                let batch = try await consumer.next()
                let lines = batch.records.compactMap { filter.line($0.value, LogRecord($0), topic: $0.topic) }
                if !lines.isEmpty { try await deliver(lines) }
            }
        }
    }

    /// Reads up to the ends, and sorts within a window that slides along.
    private func drain(
        _ consumer: KafkaConsumer, _ ranges: [Place: (start: Int64, end: Int64)], _ filter: inout LineFilter,
        isBounded: Bool, _ deliver: ([LogLine]) async throws -> Void
    ) async throws {
        var open = Set(ranges.filter { $0.value.start < $0.value.end }.keys)
        var window: [LogLine] = []
        while !open.isEmpty, !Task.isCancelled {
            let batch = try await consumer.next()
            for record in batch.records {
                let place = Place(topic: record.topic, partition: record.partition)
                let end = ranges[place]?.end ?? 0
                if record.offset + 1 >= end { open.remove(place) }
                // What came after the question is for whoever follows, and is read again there.
                if isBounded, record.offset >= end { continue }
                if let line = filter.line(record.value, LogRecord(record), topic: record.topic) { window.append(line) }
            }
            for end in batch.ends { open.remove(Place(topic: end.topic, partition: end.partition)) }
            if window.count > 2 * Self.sortWindow {
                window.sort(by: Self.isEarlier)
                try await deliver(Array(window.prefix(Self.sortWindow)))
                window.removeFirst(Self.sortWindow)
            }
        }
        window.sort(by: Self.isEarlier)
        if !window.isEmpty { try await deliver(window) }
    }

    /// Steps back from the ends until enough lines match, each time four times as far.
    private func lastLines(_ count: Int, _ ranges: [Place: (start: Int64, end: Int64)], _ query: LogQuery) async throws
        -> [LogLine]
    {
        guard count > 0 else { return [] }
        var reach = Int64(max(count * 2, 200))
        while true {
            let starts = ranges.mapValues { (start: max($0.start, $0.end - reach), end: $0.end) }
            var found: [LogLine] = []
            var filter = try LineFilter(query)
            try await withConsumer(starts.mapValues(\.start)) { consumer in
                try await drain(consumer, starts, &filter, isBounded: true) { lines in
                    found.append(contentsOf: lines)
                    if found.count > 2 * count + Self.sortWindow {
                        found.removeFirst(found.count - count - Self.sortWindow)
                    }
                }
            }
            let isAll = ranges.allSatisfy { $0.value.end - reach <= $0.value.start }
            if found.count >= count || isAll { return Array(found.sorted(by: Self.isEarlier).suffix(count)) }
            reach *= 4
        }
    }

    private static func isEarlier(_ left: LogLine, _ right: LogLine) -> Bool {
        if left.at != right.at { return left.at < right.at }
        return left.instance == right.instance && left.seq < right.seq
    }

    private func withConsumer(
        _ starts: [Place: Int64], _ body: (KafkaConsumer) async throws -> Void
    ) async throws {
        let logger = logger
        let consumer = try KafkaConsumer(settings: settings, reactor: reactor, longestWait: Self.longestWait) {
            notice in
            if case .trouble(let text) = notice {
                logger.debug("a reader waits for the broker", metadata: ["cause": "\(text)"])
            }
        }
        let result: Result<Void, any Error>
        do {
            for (place, offset) in starts { try consumer.start(place.topic, partition: place.partition, at: offset) }
            result = .success(try await body(consumer))
        } catch {
            result = .failure(error)
        }
        // librdkafka's threads take a moment to end, which must not hold up the cooperative pool.
        await runBlocking(name: "kafka-close") { consumer.close() }
        try result.get()
    }
}
