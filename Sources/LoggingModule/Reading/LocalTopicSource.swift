import AsyncAlgorithms
package import LogBroker
package import OrchModel

/// Reads the topics of the broker in this process.
package struct LocalTopicSource: TopicSource {
    private let local: LocalTopics

    package init(_ topics: LocalTopics) { local = topics }

    package func topics() async throws(OrchError) -> [String: Int] { await local.partitionCounts() }

    package func make(_ topic: String) async throws(OrchError) { try await local.make(topic) }

    package func bounds(of place: TopicPlace) async throws(OrchError) -> (start: Int64, end: Int64) {
        try await local.bounds(of: place.topic, partition: place.partition)
    }

    package func offset(of place: TopicPlace, at time: Timestamp) async throws(OrchError) -> Int64 {
        try await local.offset(of: place.topic, partition: place.partition, at: time)
    }

    package func withCursor(
        _ starts: [TopicPlace: Int64], _ body: (LocalTopicCursor) async throws -> Void
    ) async throws {
        let batches = AsyncThrowingChannel<ReadBatch, any Error>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Reads and unpacks the next stretch while this one is looked through.
            group.addTask { [local] in
                var reader = LocalTopicReader(local, starts)
                do {
                    while !Task.isCancelled { await batches.send(try await reader.next()) }
                    batches.finish()
                } catch {
                    batches.fail(error)
                }
            }
            try await body(LocalTopicCursor(batches))
            group.cancelAll()
        }
    }
}

package struct LocalTopicCursor: TopicCursor {
    private let batches: AsyncThrowingChannel<ReadBatch, any Error>

    fileprivate init(_ batches: AsyncThrowingChannel<ReadBatch, any Error>) { self.batches = batches }

    package func next() async throws(OrchError) -> ReadBatch {
        do {
            var iterator = batches.makeAsyncIterator()
            return try await iterator.next() ?? ReadBatch()
        } catch {
            throw OrchError(wrapping: error, "the topics cannot be read")
        }
    }
}

private struct LocalTopicReader {
    private struct Progress {
        var next: Int64
        /// The newest record read, in milliseconds since 1970; what is behind is read first.
        var time: Int64 = .min
        var isAtEnd = false
    }

    /// What is read at once, in bytes: all partitions together.
    private static let stretch = 1 << 20
    private static let shortestStretch = 64 << 10

    private let local: LocalTopics
    private var progress: [TopicPlace: Progress]

    init(_ local: LocalTopics, _ starts: [TopicPlace: Int64]) {
        self.local = local
        progress = starts.mapValues { Progress(next: $0) }
    }

    mutating func next() async throws(OrchError) -> ReadBatch {
        while !Task.isCancelled {
            guard let place = progress.filter({ !$0.value.isAtEnd }).min(by: { $0.value.time < $1.value.time })?.key,
                var current = progress[place]
            else {
                await local.waitForGrowth(
                    beyond: progress.map { ($0.key.topic, $0.key.partition, $0.value.next) })
                for place in progress.keys { progress[place]?.isAtEnd = false }
                continue
            }
            let limit = max(Self.stretch / progress.count, Self.shortestStretch)
            let (batches, next) = try await local.read(
                place.topic, partition: place.partition, from: current.next, limit: limit)
            current.isAtEnd = next == current.next
            current.next = next
            current.time = batches.last?.maxTimestamp ?? current.time
            progress[place] = current
            var batch = ReadBatch(local: batches.map { (place, $0) })
            if current.isAtEnd { batch.ends = [place] }
            return batch
        }
        return ReadBatch()
    }
}
