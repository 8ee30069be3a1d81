package import Logging
package import OrchKafka
package import OrchModel
package import OrchSystem

/// Sends every spool to its topic, at least once and in order, and remembers how far the broker has it.
///
/// Runs on a thread of its own, because files block. Memory is bounded by the producer's queue and one chunk a source;
/// what the broker cannot take waits in the spools.
package actor Shipper {
    package struct Status: Sendable {
        package var isConnected: Bool
        /// Why not, in librdkafka's words.
        package var trouble: String
        package var backlog: Int64
    }

    private enum Message: Sendable {
        case written(folders: [String])
        /// - Parameter generation: the producer's; what an earlier one reports was dealt with when it was replaced.
        case delivered(generation: Int, [KafkaProducer.Delivery])
        case notice(KafkaNotice)
    }

    /// A token's lower bits are the entry's number, the upper ones the source's.
    private static let entryBits: UInt64 = 44

    private let executor = ThreadExecutor(name: "log-shipper")
    private let settings: KafkaSettings
    private let reactor: Reactor
    private let logger: Logger
    private let mailbox = Mailbox<Message>()
    private let watch: FolderWatch
    private var producer: KafkaProducer?
    private var generation = 0
    private var sources: [UInt64: ShippingSource] = [:]
    private var numbers: [String: UInt64] = [:]
    private var lastNumber: UInt64 = 0
    /// Sources with something to send that the producer had no room for.
    private var stalled: Set<UInt64> = []
    private var trouble = ""
    /// Tells when the broker has taken lines.
    package nonisolated let acknowledgements = Signal()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    package init(settings: KafkaSettings, reactor: Reactor, logger: Logger) throws {
        self.settings = settings
        self.reactor = reactor
        self.logger = logger
        let mailbox = mailbox
        watch = try FolderWatch(reactor: reactor) { mailbox.send(.written(folders: $0)) }
    }

    /// Ships until the task is cancelled or ``finish()`` is called.
    package func run() async throws {
        try connect()
        for number in sources.keys.sorted() { pump(number) }
        await mailbox.forEachBatch { batch in
            for message in batch { handle(message) }
        }
        saveAll()
        producer?.flush(waiting: .seconds(2))
    }

    /// Ends ``run()`` after what is on its way has arrived, or after two seconds.
    package nonisolated func finish() { mailbox.finish() }

    // MARK: Sources

    /// Ships what is and will be in `<folder>/spool` to `topic`.
    ///
    /// - Parameter id: becomes the records' key and header `instance`.
    package func add(_ id: String, topic: TopicName, folder: String) throws {
        guard numbers[id] == nil else { return }
        try Files.makeFolder("\(folder)/spool")
        lastNumber += 1
        numbers[id] = lastNumber
        sources[lastNumber] = ShippingSource(id: id, topic: topic, folder: folder)
        try watch.add("\(folder)/spool")
        pump(lastNumber)
    }

    /// Ends a source once all of it is acknowledged, and then calls `onDrained`.
    package func retire(_ id: String, onDrained: @escaping @Sendable () -> Void) {
        guard let number = numbers[id] else {
            onDrained()
            return
        }
        sources[number]?.onDrained = onDrained
        pump(number)
    }

    /// Entries of this source that are gone for good.
    package func lost(_ id: String) -> Int64 { numbers[id].flatMap { sources[$0]?.lost } ?? 0 }

    package var status: Status {
        Status(isConnected: trouble.isEmpty, trouble: trouble, backlog: sources.values.reduce(0) { $0 + $1.backlog })
    }

    private func removeIfDrained(_ number: UInt64) {
        guard let source = sources[number], let onDrained = source.onDrained, source.isDrained else { return }
        sources[number]?.reader.close()
        sources[number] = nil
        numbers[source.id] = nil
        watch.remove("\(source.folder)/spool")
        onDrained()
    }

    /// Returns once the broker has everything that was written to these topics before the call, or after `patience`.
    package func settle(_ topics: [TopicName], patience: TimeSpan) async {
        var targets: [UInt64: Int64] = [:]
        for (number, source) in sources where topics.contains(source.topic) {
            pump(number)
            if let last = sources[number]?.lastRead, last > source.acknowledged { targets[number] = last }
        }
        guard !targets.isEmpty else { return }
        let (wanted, progress) = (targets, acknowledgements.listen())
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: patience.duration) }
            group.addTask { await self.wait(for: wanted, progress) }
            await group.next()
            group.cancelAll()
        }
    }

    private nonisolated func wait(for targets: [UInt64: Int64], _ progress: AsyncStream<Void>) async {
        for await _ in progress where await hasReached(targets) { return }
    }

    private func hasReached(_ targets: [UInt64: Int64]) -> Bool {
        targets.allSatisfy { number, entry in sources[number].map { $0.acknowledged >= entry } ?? true }
    }

    // MARK: Sending

    private func handle(_ message: Message) {
        switch message {
        case .written(let folders):
            for folder in folders {
                guard let source = sources.first(where: { "\($0.value.folder)/spool" == folder }) else { continue }
                pump(source.key)
            }
        case .delivered(let generation, let deliveries):
            guard generation == self.generation else { return }
            take(deliveries)
            let waiting = stalled
            stalled = []
            // Begin somewhere else each time, so that none is served last for ever.
            for number in waiting.shuffled() { pump(number) }
        case .notice(.log(let level, let text)):
            logger.log(level: level <= 3 ? .warning : .debug, "librdkafka: \(text)")
        case .notice(.trouble(let text)):
            if trouble.isEmpty {
                logger.warning("the broker cannot be reached; lines wait on disk", metadata: ["cause": "\(text)"])
            }
            trouble = text
        case .notice(.fatal(let text)):
            logger.error("the producer cannot go on and is replaced", metadata: ["cause": "\(text)"])
            rebuild()
        }
    }

    /// Reads and sends as much of a source as its window and the producer allow.
    private func pump(_ number: UInt64) {
        guard producer != nil, sources[number] != nil else { return }
        do {
            while try sendChunk(number) {}
        } catch {
            logger.error(
                "a spool cannot be read", metadata: ["instance": "\(sources[number]?.id ?? "")", "cause": "\(error)"])
        }
        removeIfDrained(number)
    }

    /// - Returns: whether a whole chunk was sent and more may follow.
    private func sendChunk(_ number: UInt64) throws -> Bool {
        guard let producer, var source = sources[number], !source.mustResend else { return false }
        defer { sources[number] = source }
        if source.chunk == nil, try !source.readNext() { return false }
        guard let chunk = source.chunk else { return true }
        let isSent = try chunk.bytes.withUnsafeBytes { bytes in
            while source.nextLine < chunk.lines.count {
                guard source.inFlight < ShippingSource.window else { return false }
                let entryNumber = chunk.firstEntry + Int64(source.nextLine)
                let entry = SpoolEntry(bytes, line: chunk.lines[source.nextLine], fallback: .now())
                let text = UnsafeRawBufferPointer(rebasing: bytes[entry.text])
                var headers: [(StaticString, String)] = [
                    ("instance", source.id), ("stream", entry.stream), ("seq", String(entryNumber)),
                    ("at", String(entry.at.nanoseconds)), ("level", LevelDetector.level(of: text).rawValue),
                ]
                if entry.isPartial { headers.append(("partial", "1")) }
                let record = KafkaProducer.Record(
                    topic: source.topic.rawValue, key: source.id, value: text, timestamp: entry.at, headers: headers,
                    token: number << Self.entryBits | UInt64(entryNumber))
                guard try producer.produce(record) else { return false }
                source.inFlight += 1
                source.nextLine += 1
            }
            return true
        }
        if isSent { source.finishChunk() } else { stalled.insert(number) }
        return isSent
    }

    private func take(_ deliveries: [KafkaProducer.Delivery]) {
        var moved: Set<UInt64> = []
        for delivery in deliveries {
            let number = delivery.token >> Self.entryBits
            let entry = Int64(delivery.token & (1 << Self.entryBits - 1))
            guard var source = sources[number] else { continue }
            source.inFlight -= 1
            switch delivery.failure {
            case nil:
                if !trouble.isEmpty { logger.notice("the broker takes lines again") }
                trouble = ""
                // Behind one that came back, nothing counts: all of it is sent again.
                if !source.mustResend, source.acknowledge(entry) { moved.insert(number) }
            case .refused(let text):
                // It would be refused again and again; the ones behind it must pass.
                logger.error(
                    "the broker refuses a line",
                    metadata: ["instance": "\(source.id)", "seq": "\(entry)", "cause": "\(text)"])
                if source.acknowledge(entry) { moved.insert(number) }
            case .notSent:
                source.mustResend = true
            }
            if source.mustResend, source.inFlight <= 0 {
                source.rewind()
                stalled.insert(number)
            }
            sources[number] = source
        }
        acknowledgements.send()
        for number in moved {
            save(number)
            removeIfDrained(number)
        }
    }

    private func save(_ number: UInt64) {
        do {
            try sources[number]?.saveCheckpoint()
        } catch {
            logger.error("a checkpoint cannot be written", metadata: ["cause": "\(error)"])
        }
    }

    private func saveAll() {
        for number in sources.keys { save(number) }
    }

    private func connect() throws {
        generation += 1
        let (mailbox, generation) = (mailbox, generation)
        producer = try KafkaProducer(settings: settings, reactor: reactor) { deliveries in
            mailbox.send(.delivered(generation: generation, deliveries))
        } onNotice: { notice in
            mailbox.send(.notice(notice))
        }
    }

    private func rebuild() {
        producer?.close()
        producer = nil
        for number in sources.keys { sources[number]?.rewind() }
        do {
            try connect()
        } catch {
            logger.critical("no new producer can be made", metadata: ["cause": "\(error)"])
        }
        for number in sources.keys { pump(number) }
    }
}
