import FoundationEssentials
import Glibc
package import Logging
package import OrchKafka
package import OrchModel
package import OrchSystem

/// Consumes topics and writes each to `<Topic>.log`, every record once, over restarts too.
///
/// Runs on a thread of its own, because files block.
package actor TopicFiles {
    private enum Wish: Sendable {
        case topic(TopicName)
        case refused(RefusedLine)
    }

    private static let saveInterval = Duration.seconds(1)
    /// A file goes on under another name when it is larger, in bytes, or older, in seconds: `<Topic>.log.1` is the newest
    /// of the earlier ones.
    private static let largestFile: Int64 = 64 << 20
    private static let oldestFile: Int64 = 86_400
    private static let filesKept = 8
    /// After so long without a record the consumer is closed: librdkafka costs a tenth of a percent of a core for being there.
    private static let idleLimit = Duration.seconds(5)
    /// How often the topics are looked at while nobody here logs: others may write to them.
    private static let lookInterval = Duration.seconds(60)
    /// How long the broker may hold an answer back, which a topic that is begun meanwhile waits for.
    private static let longestWait = TimeSpan.milliseconds(500)

    private let executor = ThreadExecutor(name: "log-files", yieldsToOthers: true)
    private let folder: String
    private let admin: KafkaAdmin
    private let logger: Logger
    private let settings: KafkaSettings
    private let reactor: Reactor
    private let shipped: Signal
    /// `nil` while there is nothing to read.
    private var consumer: KafkaConsumer?
    private var partitions: [TopicName: Int] = [:]
    private var states: [TopicName: TopicFileState] = [:]
    private var changed: Set<TopicName> = []
    /// Of topics that could not be begun.
    private var retryDelays: [TopicName: Duration] = [:]
    private static let retryDelays = (shortest: Duration.milliseconds(200), longest: Duration.seconds(30))
    private let wishes = Mailbox<Wish>()
    private let saveRequests: AsyncStream<Void>.Continuation
    private nonisolated let needsSave: AsyncStream<Void>

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter shipped: tells when the broker has taken lines.
    package init(
        folder: String, settings: KafkaSettings, reactor: Reactor, admin: KafkaAdmin, shipped: Signal, logger: Logger
    ) throws {
        self.folder = folder
        self.settings = settings
        self.reactor = reactor
        self.shipped = shipped
        self.logger = logger
        (needsSave, saveRequests) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.admin = admin
        try Files.makeFolder(folder)
    }

    /// Asks for a topic to be written; nothing happens when it is already.
    package nonisolated func add(_ topic: TopicName) { wishes.send(.topic(topic)) }

    /// Writes a line into its topic's file that is in no topic.
    package nonisolated func add(_ refused: RefusedLine) { wishes.send(.refused(refused)) }

    private func fulfilWishes() async {
        await withDiscardingTaskGroup { group in
            await wishes.forEachBatch { batch in
                for wish in batch where !Task.isCancelled {
                    switch wish {
                    case .topic(let topic):
                        guard let delay = await begin(topic) else { continue }
                        group.addTask { [wishes] in
                            try? await Task.sleep(for: delay)
                            wishes.send(.topic(topic))
                        }
                    case .refused(let line): await write(line)
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// Begins with a topic if the broker knows it.
    ///
    /// - Returns: after which time to try again, if need be: a pause that doubles.
    private func begin(_ topic: TopicName) async -> Duration? {
        guard states[topic] == nil else { return nil }
        do throws(OrchError) {
            try await beginReading(topic)
            retryDelays[topic] = nil
            return nil
        } catch {
            let delay = retryDelays[topic] ?? Self.retryDelays.shortest
            if retryDelays[topic] == nil {
                logger.warning("a topic cannot be read yet", metadata: ["topic": "\(topic)", "cause": "\(error)"])
            }
            retryDelays[topic] = min(delay * 2, Self.retryDelays.longest)
            return delay
        }
    }

    private func write(_ line: RefusedLine) async {
        let head = "\(line.at) \(line.instance)"
        let text =
            Array(
                "\(head) orch warning refused=1 line, which follows: \(line.reason)\n\(head) \(line.stream) unknown "
                    .utf8)
            + line.text + [UInt8(ascii: "\n")]
        do throws(OrchError) {
            var state: TopicFileState
            if let known = states[line.topic] { state = known } else { state = try load(line.topic) }
            guard await append(text, line.topic, &state) else { return }
            // A topic that is not begun yet has its state on disk only.
            if states[line.topic] != nil { states[line.topic] = state }
            save(state, of: line.topic)
        } catch {
            logger.error("a refused line cannot be kept", metadata: ["topic": "\(line.topic)", "cause": "\(error)"])
        }
    }

    private func beginReading(_ topic: TopicName) async throws(OrchError) {
        let partitions = try await admin.partitions(of: topic.rawValue)
        // A broker that makes topics on demand has it a moment later.
        guard partitions > 0 else { throw OrchError(.unavailable, "the broker has no topic \(topic) yet") }
        let state = try load(topic)
        if let consumer { try start(topic, count: partitions, state, consumer) }
        states[topic] = state
        self.partitions[topic] = partitions
    }

    private func start(_ topic: TopicName, count: Int, _ state: TopicFileState, _ consumer: KafkaConsumer)
        throws(OrchError)
    {
        for partition in 0..<Int32(count) {
            try consumer.start(topic.rawValue, partition: partition, at: state.offsets[partition] ?? 0)
        }
    }

    /// Writes until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.saveRegularly() }
            group.addTask { await self.fulfilWishes() }
            await consume()
            group.cancelAll()
        }
        save()
    }

    private func consume() async {
        while !Task.isCancelled {
            var news: AsyncStream<Void>?
            do {
                news = try await readUntilIdle(try open())
            } catch {
                logger.warning("topics cannot be read", metadata: ["cause": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
            let done = consumer
            consumer = nil
            // librdkafka's threads are not waited for at the end: they end with the process.
            if Task.isCancelled { return }
            if let done { await runBlocking(name: "kafka-close") { done.close() } }
            if let news { await wait(for: news) }
        }
    }

    /// A consumer of all topics, from where each was left.
    private func open() throws -> KafkaConsumer {
        let logger = logger
        let made = try KafkaConsumer(settings: settings, reactor: reactor, longestWait: Self.longestWait) { notice in
            if case .log(let level, let text) = notice, level <= 3 { logger.debug("librdkafka: \(text)") }
        }
        consumer = made
        for (topic, count) in partitions { try start(topic, count: count, states[topic] ?? TopicFileState(), made) }
        return made
    }

    /// Writes until nothing has come for a while.
    ///
    /// - Returns: what tells of lines that were shipped after the last look.
    private func readUntilIdle(_ consumer: KafkaConsumer) async throws -> AsyncStream<Void> {
        while true {
            while try await writeNext(consumer, within: Self.idleLimit) {}
            let news = shipped.listen()
            // It yields once at first, for what is known already.
            for await _ in news { break }
            // What was shipped before is there to be read; what is shipped from now on is told.
            if Task.isCancelled { return news }
            if try await !writeNext(consumer, within: Self.longestWait.duration) { return news }
        }
    }

    /// - Returns: whether records came within `span`.
    private func writeNext(_ consumer: KafkaConsumer, within span: Duration) async throws(OrchError) -> Bool {
        let batches = try await Self.next(consumer, within: span)
        for batch in batches { await write(batch) }
        return !batches.isEmpty
    }

    /// Records, or none after `span` or when the task is cancelled.
    private static func next(_ consumer: KafkaConsumer, within span: Duration) async throws(OrchError) -> [KafkaBatch] {
        let deadline = ContinuousClock.now + span
        while !Task.isCancelled, deadline > .now {
            let results = await withTaskGroup(of: Result<KafkaBatch?, OrchError>.self) { group in
                group.addTask {
                    do throws(OrchError) { return .success(try await consumer.next()) } catch {
                        return .failure(error)
                    }
                }
                group.addTask {
                    try? await Task.sleep(until: deadline)
                    return .success(nil)
                }
                // Both are awaited: records that come in the last moment must not be lost.
                var results = [await group.next() ?? .success(nil)]
                group.cancelAll()
                for await result in group { results.append(result) }
                return results
            }
            var batches: [KafkaBatch] = []
            for result in results { if let batch = try result.get(), batch.hasRecords { batches.append(batch) } }
            if !batches.isEmpty { return batches }
        }
        return []
    }

    private nonisolated func wait(for news: AsyncStream<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in news { return } }
            group.addTask { try? await Task.sleep(for: Self.lookInterval) }
            await group.next()
            group.cancelAll()
        }
    }

    private func write(_ batch: KafkaBatch) async {
        var pages: [TopicPage] = []
        var current = -1
        batch.visit { record in
            if current < 0 || pages[current].name != record.topic {
                current = pages.firstIndex { $0.name == record.topic } ?? -1
                if current < 0, let page = begin(page: record.topic) {
                    current = pages.count
                    pages.append(page)
                }
            }
            if current >= 0 { pages[current].add(record) }
        }
        for var page in pages {
            guard await append(page.text, page.topic, &page.state) else { return }
            states[page.topic] = page.state
            changed.insert(page.topic)
            saveRequests.yield()
        }
    }

    private func begin(page name: String) -> TopicPage? {
        guard let topic = TopicName(rawValue: name), var state = states[topic] else { return nil }
        rotateIfDue(topic, &state)
        return TopicPage(topic: topic, state: state)
    }

    /// What cannot be written waits, and the reading with it: the broker keeps it meanwhile.
    ///
    /// - Returns: `false` when the task is cancelled before it is all written; then nothing is.
    private func append(_ text: [UInt8], _ topic: TopicName, _ state: inout TopicFileState) async -> Bool {
        while true {
            let before = Files.size(path(topic)) ?? 0
            do throws(SystemError) {
                try Descriptor(opening: path(topic), .append).write(text)
                state.fileSize = before + Int64(text.count)
                if state.begunAt == nil { state.begunAt = Timestamp.now().seconds }
                return true
            } catch {
                truncate(path(topic), off_t(before))
                logger.error("a log file cannot be written", metadata: ["topic": "\(topic)", "cause": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(1))
            if Task.isCancelled { return false }
        }
    }

    /// Goes on in a new file where this one is too large or too old.
    private func rotateIfDue(_ topic: TopicName, _ state: inout TopicFileState) {
        let age = state.begunAt.map { Timestamp.now().seconds - $0 } ?? 0
        guard state.fileSize > Self.largestFile || age > Self.oldestFile else { return }
        let path = path(topic)
        // All of the file is accounted for before it gets its other name: a crash behind that finds no file and begins one.
        save(state, of: topic)
        for number in stride(from: Self.filesKept - 1, through: 1, by: -1) where Files.exists("\(path).\(number)") {
            rename("\(path).\(number)", "\(path).\(number + 1)")
        }
        guard rename(path, "\(path).1") == 0 else { return }
        (state.fileSize, state.begunAt) = (0, nil)
        // Or a crash would take the size of the old file for that of the new one.
        save(state, of: topic)
    }

    // MARK: What survives a restart

    private nonisolated func saveRegularly() async {
        for await _ in needsSave {
            try? await Task.sleep(for: Self.saveInterval)
            await save()
        }
    }

    private func save() {
        for topic in changed { if let state = states[topic] { save(state, of: topic) } }
        changed = []
    }

    private func save(_ state: TopicFileState, of topic: TopicName) {
        guard let json = try? JSONEncoder().encode(state) else { return }
        try? Files.replace(statePath(topic), with: Array(json))
    }

    private func load(_ topic: TopicName) throws(OrchError) -> TopicFileState {
        guard Files.exists(statePath(topic)) else {
            // Without the offsets the file begins anew, as the topic does.
            Files.remove(path(topic))
            return TopicFileState()
        }
        var state: TopicFileState
        do {
            state = try JSONDecoder().decode(TopicFileState.self, from: Data(Files.read(statePath(topic))))
        } catch {
            throw OrchError(
                .failed, "\(statePath(topic)) cannot be read: remove it to have the file written anew", cause: error)
        }
        guard let size = Files.size(path(topic)) else {
            // Renamed just before a crash, or removed by somebody.
            (state.fileSize, state.begunAt) = (0, nil)
            return state
        }
        if size > state.fileSize { truncate(path(topic), off_t(state.fileSize)) }
        return state
    }

    private func path(_ topic: TopicName) -> String { "\(folder)/\(topic).log" }
    private func statePath(_ topic: TopicName) -> String { "\(folder)/.\(topic).state" }
}
