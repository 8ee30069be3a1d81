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
        /// Why not, or which topic is not taken, in librdkafka's words.
        package var trouble: String
        package var backlog: Int64
    }

    enum Message: Sendable {
        case written(folders: [String])
        /// The next of the sources that have more to send may send some of it.
        case goOn
        /// - Parameter generation: the producer's; what an earlier one reports was dealt with when it was replaced.
        case delivered(generation: Int, [KafkaProducer.Delivery])
        case notice(KafkaNotice)
    }

    /// The longest that lines left out for their rate wait to be told.
    private static let pause = Duration.milliseconds(500)
    /// What came back is sent again after a pause that doubles each time, within these bounds.
    private static let retryDelays = (shortest: Duration.milliseconds(500), longest: Duration.seconds(30))

    private let executor = ThreadExecutor(name: "log-shipper")
    private let settings: KafkaSettings
    private let reactor: Reactor
    let logger: Logger
    /// Gets the lines that no broker takes.
    let onRefused: @Sendable (RefusedLine) -> Void
    private let mailbox = Mailbox<Message>()
    private let watch: FolderWatch
    private(set) var producer: KafkaProducer?
    private var generation = 0
    private var batchSize = KafkaProducer.BatchSize.full
    /// When a batch was refused last.
    private var shrunkAt: ContinuousClock.Instant?
    private static let smallBatchesFor = Duration.seconds(600)
    /// The producer cannot go on, at least with some topic; a new one is made then.
    private var rebuildAt: ContinuousClock.Instant?
    private var retryDelay = retryDelays.shortest
    var sources: [UInt64: ShippingSource] = [:]
    private var numbers: [String: UInt64] = [:]
    private var numbersByFolder: [String: UInt64] = [:]
    private var lastNumber: UInt64 = 0
    /// Sources that have more to send, the next one first: each sends a chunk in its turn, and what has arrived meanwhile is
    /// taken in between.
    private var queue: [UInt64] = []
    /// Sources with something to send that the producer had no room for.
    var stalled: Set<UInt64> = []
    /// Sources with left-out lines to tell, which are looked at after a pause.
    private var resting: Set<UInt64> = []
    /// Sources whose folders the system does not watch for us.
    private var unwatched: Set<UInt64> = []
    private var lastLook = ContinuousClock.now
    private static let gathering = Duration.milliseconds(2)
    private static let longestTurn = Duration.milliseconds(5)
    private let pauses = Signal()
    /// Sources whose checkpoint is not on disk. It is written now and then: what is sent twice for it after a crash is folded.
    private var unsaved: Set<UInt64> = []
    private let saves = Signal()
    /// The last time at least one could not be written.
    private var isSavingFailing = false
    private var lastSave = ContinuousClock.now
    private static let saveInterval = Duration.milliseconds(100)
    private var trouble = ""
    private var troubleAt = ContinuousClock.now
    private var lastTaken = ContinuousClock.now
    /// What was acknowledged just before the broker went away may be told as long after.
    private static let stragglersFor = Duration.seconds(1)
    /// Tells when the broker has taken lines.
    let acknowledgements: Signal
    /// Tells when a count of lost entries has changed.
    package nonisolated let losses = Signal()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - acknowledgements: is sent when the broker has taken lines.
    ///   - onRefused: gets the lines that no broker takes.
    package init(
        settings: KafkaSettings, reactor: Reactor, acknowledgements: Signal, logger: Logger,
        onRefused: @escaping @Sendable (RefusedLine) -> Void
    ) throws {
        self.settings = settings
        self.reactor = reactor
        self.logger = logger
        self.onRefused = onRefused
        self.acknowledgements = acknowledgements
        let mailbox = mailbox
        watch = try FolderWatch(reactor: reactor) { mailbox.send(.written(folders: $0)) }
    }

    /// Ships until the task is cancelled or ``finish()`` is called.
    package func run() async throws {
        try connect()
        for number in sources.keys.sorted() { pump(number) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.resumeAfterPauses() }
            group.addTask { await self.saveNowAndThen() }
            await mailbox.forEachBatch { batch in
                var turn = ContinuousClock.now
                for message in batch {
                    handle(message)
                    // Whoever asks something of this actor need not wait until all that has come is sent.
                    if .now - turn > Self.longestTurn {
                        await Task.yield()
                        turn = .now
                    }
                }
                await gather(after: batch)
            }
            group.cancelAll()
        }
        saveAll()
        producer?.flush(waiting: .seconds(2))
    }

    /// Ends ``run()`` after what is on its way has arrived, or after two seconds.
    package nonisolated func finish() { mailbox.finish() }

    // MARK: Sources

    /// Ships what is and will be in `<folder>/spool` to `topic`.
    ///
    /// - Parameters:
    ///   - id: becomes the records' key and header `instance`.
    ///   - linesPerSecond: the most that are sent; 0 for no limit.
    package func add(_ id: String, topic: TopicName, folder: String, linesPerSecond: Int = 0) throws {
        guard numbers[id] == nil else { return }
        try Files.makeFolder("\(folder)/spool")
        lastNumber += 1
        do {
            try watch.add("\(folder)/spool")
        } catch {
            logger.warning(
                "a spool cannot be watched, and is looked at twice a second: raise fs.inotify.max_user_watches",
                metadata: ["instance": "\(id)", "cause": "\(error)"])
            unwatched.insert(lastNumber)
            pauses.send()
        }
        numbers[id] = lastNumber
        numbersByFolder["\(folder)/spool"] = lastNumber
        sources[lastNumber] = ShippingSource(id: id, topic: topic, folder: folder, linesPerSecond: linesPerSecond)
        losses.send()
        pump(lastNumber)
    }

    /// Ends a source once all of it is acknowledged, and then calls `onDrained`.
    package func retire(_ id: String, onDrained: @escaping @Sendable () -> Void) {
        guard let number = numbers[id] else {
            onDrained()
            return
        }
        sources[number]?.onDrained = onDrained
        lookAt(number)
    }

    /// Entries of this source that are gone for good.
    package func lost(_ id: String) -> Int64 { numbers[id].flatMap { sources[$0]?.lost } ?? 0 }

    /// Of all sources that are instances: lines of level error and above since they are sent.
    package var errorLines: [InstanceID: Int64] {
        sources.values.reduce(into: [:]) { counts, source in
            if let id = InstanceID(rawValue: source.id) { counts[id] = source.errorLines }
        }
    }

    package var status: Status {
        let refused = sources.values.compactMap { source in source.trouble.map { "topic \(source.topic): \($0)" } }
            .min()
        return Status(
            isConnected: trouble.isEmpty && refused == nil, trouble: trouble.isEmpty ? refused ?? "" : trouble,
            backlog: sources.values.reduce(0) { $0 + $1.backlog })
    }

    func removeIfDrained(_ number: UInt64) {
        guard let source = sources[number], let onDrained = source.onDrained, source.isDrained else { return }
        sources[number]?.reader.close()
        sources[number] = nil
        numbers[source.id] = nil
        numbersByFolder["\(source.folder)/spool"] = nil
        if unwatched.remove(number) == nil { watch.remove("\(source.folder)/spool") }
        onDrained()
    }

    /// Returns once the broker has everything that was written to these topics before the call, or after `patience`.
    package func settle(_ topics: [TopicName], patience: TimeSpan) async {
        var targets: [UInt64: SpoolReader.Position] = [:]
        for (number, source) in sources where topics.contains(source.topic) {
            let end = source.spoolEnd
            sources[number]?.lookAgain()
            sendAll(number)
            if !source.hasShipped(to: end) { targets[number] = end }
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

    private nonisolated func wait(for targets: [UInt64: SpoolReader.Position], _ progress: AsyncStream<Void>) async {
        for await _ in progress where await hasShipped(to: targets) { return }
    }

    private func hasShipped(to targets: [UInt64: SpoolReader.Position]) -> Bool {
        targets.allSatisfy { number, end in sources[number]?.hasShipped(to: end) ?? true }
    }

    // MARK: News

    /// Where one line comes after the other, some are gathered before the next look: each look costs more than a line.
    private func gather(after batch: [Message]) async {
        defer { lastLook = .now }
        guard .now - lastLook < Self.gathering else { return }
        let isOnlyLines = batch.allSatisfy { if case .written = $0 { true } else { false } }
        if isOnlyLines { try? await Task.sleep(for: Self.gathering) }
    }

    private func handle(_ message: Message) {
        switch message {
        case .written(let folders):
            for folder in folders { if let number = numbersByFolder[folder] { lookAt(number) } }
        case .goOn:
            let number = queue.removeFirst()
            if !queue.isEmpty { mailbox.send(.goOn) }
            pump(number)
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
            note(trouble: text)
        case .notice(.fatal(let text)):
            logger.error("the producer cannot go on and is replaced", metadata: ["cause": "\(text)"])
            note(trouble: text)
            retryLater()
        }
    }

    private func lookAt(_ number: UInt64) {
        sources[number]?.lookAgain()
        pump(number)
    }

    /// Lets a source send more when the others have had their turn.
    func queue(_ number: UInt64) {
        guard !queue.contains(number) else { return }
        queue.append(number)
        if queue.count == 1 { mailbox.send(.goOn) }
    }

    private func note(trouble text: String) {
        trouble = text
        troubleAt = .now
        pauses.send()
    }

    func noteTaken() {
        lastTaken = .now
        if !trouble.isEmpty, lastTaken - troubleAt > Self.stragglersFor { noteReachable() }
    }

    private func noteReachable() {
        logger.notice("the broker takes lines again")
        trouble = ""
    }

    /// Looks at a source again after a pause.
    func rest(_ number: UInt64) {
        resting.insert(number)
        pauses.send()
    }

    /// Sends what came back again after a pause, by a new producer: librdkafka 2.0 never sends to a topic again that was
    /// refused for good and is allowed later.
    func retryLater() {
        guard rebuildAt == nil else { return }
        rebuildAt = .now + retryDelay
        retryDelay = min(retryDelay * 2, Self.retryDelays.longest)
        pauses.send()
    }

    private nonisolated func resumeAfterPauses() async {
        for await _ in pauses.listen() {
            try? await Task.sleep(for: Self.pause)
            if !Task.isCancelled { await resume() }
        }
    }

    private func resume() {
        if let rebuildAt {
            if rebuildAt <= .now { rebuild() } else { pauses.send() }
        } else if !sources.values.contains(where: { $0.trouble != nil }) {
            retryDelay = Self.retryDelays.shortest
        }
        if !trouble.isEmpty {
            let nothingWaits = sources.values.allSatisfy { $0.inFlight == 0 }
            if nothingWaits, lastTaken > troubleAt { noteReachable() } else { pauses.send() }
        }
        for number in unwatched { lookAt(number) }
        if !unwatched.isEmpty { pauses.send() }
        let rested = resting
        resting = []
        for number in rested {
            tellSuppressed(number)
            pump(number)
        }
    }

    // MARK: The producer

    private func connect() throws {
        generation += 1
        let (mailbox, generation) = (mailbox, generation)
        producer = try KafkaProducer(settings: settings, batchSize: batchSize, reactor: reactor) { deliveries in
            mailbox.send(.delivered(generation: generation, deliveries))
        } onNotice: { notice in
            mailbox.send(.notice(notice))
        }
    }

    /// Whether a batch that is refused may pass in parts.
    var canShrinkBatches: Bool { batchSize.smaller != nil }

    /// Sends less at once for a while, because the broker has refused a batch: for its size, or for one record in it.
    func shrinkBatches(_ reason: String) {
        guard let smaller = batchSize.smaller else { return }
        logger.notice(
            "the broker refuses a batch; smaller ones are sent for a while", metadata: ["cause": "\(reason)"])
        batchSize = smaller
        shrunkAt = .now
        rebuild()
    }

    /// Sends as much at once as ever when no batch was refused for a while.
    func growBatches() {
        guard let shrunkAt, .now - shrunkAt > Self.smallBatchesFor else { return }
        batchSize = .full
        self.shrunkAt = nil
        rebuild()
    }

    /// Puts a new producer in the place of the old one; everything that is not acknowledged is sent again.
    private func rebuild() {
        rebuildAt = nil
        producer?.close()
        producer = nil
        for number in sources.keys { sources[number]?.rewind() }
        do {
            try connect()
        } catch {
            logger.critical("no new producer can be made", metadata: ["cause": "\(error)"])
            retryLater()
        }
        for number in sources.keys { pump(number) }
    }

    // MARK: Checkpoints

    func noteMoved(_ numbers: Set<UInt64>) {
        guard !numbers.isEmpty else { return }
        if unsaved.isEmpty { saves.send() }
        unsaved.formUnion(numbers)
        // In a flood there may be no other moment for it.
        if .now - lastSave >= Self.saveInterval { saveAll() }
    }

    private nonisolated func saveNowAndThen() async {
        for await _ in saves.listen() {
            try? await Task.sleep(for: Self.saveInterval)
            await saveAll()
        }
    }

    private func saveAll() {
        var failed: Set<UInt64> = []
        for number in unsaved {
            do {
                try sources[number]?.saveCheckpoint()
            } catch {
                failed.insert(number)
                if !isSavingFailing {
                    logger.error("a checkpoint cannot be written; it is tried again", metadata: ["cause": "\(error)"])
                }
            }
        }
        isSavingFailing = !failed.isEmpty
        unsaved = failed
        lastSave = .now
        if isSavingFailing { saves.send() }
    }
}
