import FoundationEssentials
import Logging
import OrchKafka
import OrchModel
import OrchSystem

/// Reads the topic `Events`, and the topics of logs that rules are about, from where it was before. How far it has read is
/// written down with what followed from it, so nothing is missed and nothing is taken twice.
struct EventFeed: Sendable {
    private static let longestWait = TimeSpan.milliseconds(200)
    private static let refreshInterval = Duration.seconds(5)
    /// For so long a broker may be away before somebody is told.
    private static let patience = TimeSpan.seconds(10)
    private static let retryPause = Duration.milliseconds(500)
    /// What a topic that turns up holds and is older is history.
    private static let recent = TimeSpan.seconds(300)

    let notifier: Notifier
    let platform: Platform
    let matching: any LineMatching
    let state: FeedState
    /// The module that this is, whose lines are about others' incidents.
    let own: String
    let logger: Logger

    /// Reads until the task is cancelled.
    ///
    /// - Throws: when what was read cannot be written down.
    func run() async throws {
        let reactor = try Reactor(name: "kafka")
        defer { reactor.stop() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await readAgain(reactor) }
            group.addTask { try await watchBroker() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private static let commitInterval = Duration.seconds(1)

    private func readAgain(_ reactor: Reactor) async throws {
        while !Task.isCancelled {
            do {
                let settings = KafkaSettings(brokers: try await platform.broker())
                do {
                    try await read(settings, reactor)
                } catch let error as OrchError {
                    state.outage.begin()
                    throw error
                }
            } catch let error as OrchError where !Task.isCancelled {
                logger.warning("events cannot be read now", metadata: ["cause": "\(error.message)"])
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    private func read(_ settings: KafkaSettings, _ reactor: Reactor) async throws {
        let admin = KafkaAdmin(settings: settings, reactor: reactor)
        let consumer = try KafkaConsumer(
            settings: settings, reactor: reactor, longestWait: Self.longestWait, group: own
        ) {
            [outage = state.outage] notice in
            if case .trouble = notice { outage.begin() }
        }
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await follow(consumer) }
                group.addTask { try await addTopics(consumer, admin) }
                group.addTask { await admin.closeWhenIdle() }
                group.addTask { try await commit(consumer) }
                defer { group.cancelAll() }
                try await group.next()
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await admin.close()
        await runBlocking(name: "kafka-close") { consumer.close() }
        try result.get()
    }

    // MARK: Which topics

    /// Begins to read topics that were not read before, again and again.
    private func addTopics(_ consumer: KafkaConsumer, _ admin: KafkaAdmin) async throws {
        state.forgetStarted()
        while !Task.isCancelled {
            let listing = try? await platform.topics(besides: own)
            let patterns = await notifier.rules.filter(\.match.isOfLines).map(\.match.topics)
            let meant = (listing ?? []).filter { topic in
                patterns.contains { names in
                    names.isEmpty || names.contains { RuleMatcher.matches($0, topic) }
                }
            }
            let wanted = meant.union([TopicName.events.rawValue])
            let count = try await admin.partitions(of: TopicName.events.rawValue)
            state.outage.end()
            for topic in wanted where !state.isStarted(topic) {
                let partitions = topic == TopicName.events.rawValue ? count : try await admin.partitions(of: topic)
                // One that is just being made has none.
                if partitions > 0 { try await start(topic, partitions, consumer, admin) }
            }
            if let listing { state.note(listed: listing, wanted: wanted) }
            try await Task.sleep(for: state.outage.since == nil ? Self.refreshInterval : Self.retryPause)
        }
    }

    /// Where it begins is written down at once, so that nothing is left out when it is started anew before anything comes.
    private func start(_ topic: String, _ partitions: Int, _ consumer: KafkaConsumer, _ admin: KafkaAdmin) async throws
    {
        var places: [NotifierStore.Place: Int64] = [:]
        for partition in 0..<Int32(partitions) {
            let place = NotifierStore.Place(topic: topic, partition: partition)
            let bounds = try await admin.bounds(of: topic, partition: partition)
            let offset: Int64 =
                switch state.beginning(of: place) {
                case .at(let offset): max(offset, bounds.start)
                case .end: bounds.end
                case .recent: try await admin.offset(of: topic, partition: partition, at: .now() - Self.recent)
                }
            places[place] = offset
        }
        let chosen = places
        try await Task { try await notifier.take([], offsets: chosen) }.value
        state.begin(topic, places)
        for (place, offset) in places { try consumer.start(topic, partition: place.partition, at: offset) }
    }

    // MARK: Reading

    /// Tells the broker now and then how far it has come, so that its tools show what waits. Where reading goes on is
    /// written down with what followed from it; this comes afterwards.
    private func commit(_ consumer: KafkaConsumer) async throws {
        while !Task.isCancelled {
            try await Task.sleep(for: Self.commitInterval)
            let offsets = state.takeUncommitted()
            if !offsets.isEmpty { consumer.commit(offsets.map { ($0.key.topic, $0.key.partition, $0.value) }) }
        }
    }

    private func follow(_ consumer: KafkaConsumer) async throws {
        while !Task.isCancelled {
            let batch = try await consumer.next()
            var seen: [Observation] = []
            var offsets: [NotifierStore.Place: Int64] = [:]
            batch.visit { record in
                let place = NotifierStore.Place(topic: record.topic, partition: record.partition)
                offsets[place] = record.offset + 1
                let isEvent = record.topic == TopicName.events.rawValue
                if let observation = isEvent ? event(record) : line(record) { seen.append(observation) }
            }
            if !offsets.isEmpty {
                let (labelled, read) = (await addLabels(seen), offsets)
                // It is not cancelled halfway: what was decided must be written down.
                try await Task {
                    try await notifier.take(labelled, offsets: read)
                    state.note(read)
                }.value
            }
            if !batch.ends.isEmpty || !offsets.isEmpty { state.outage.end() }
            for end in batch.ends { state.reachedEnd(NotifierStore.Place(topic: end.topic, partition: end.partition)) }
        }
    }

    private func event(_ record: KafkaRecordView) -> Observation? {
        guard let event = try? JSONDecoder().decode(Event.self, from: Data(record.value)) else { return nil }
        return Observation(
            at: event.at, kind: .event(event.kind), text: event.message, module: event.module?.rawValue ?? "",
            instance: event.instance?.rawValue ?? "")
    }

    /// - Returns: `nil` for a line of its own, which may share a topic with others'.
    private func line(_ record: KafkaRecordView) -> Observation? {
        let instance = InstanceID(unchecked: String(decoding: record.key, as: UTF8.self))
        let module = instance.module.rawValue
        if module == own { return nil }
        var level = "unknown"
        record.visitHeaders { name, value in
            if name.elementsEqual("level".utf8) { level = String(decoding: value, as: UTF8.self) }
        }
        let text = String(decoding: record.value, as: UTF8.self)
        let isBad = ["warning", "error", "critical"].contains(level)
        var seen = Observation(
            at: Timestamp(nanoseconds: record.timestamp.multipliedReportingOverflow(by: 1_000_000).partialValue),
            kind: .line(level: level, topic: record.topic, isNewPattern: false), text: text, module: module,
            instance: instance.rawValue)
        if isBad { seen.shape = matching.shape(of: text) }
        return seen
    }

    /// Labels are asked for only where a rule looks at them.
    private func addLabels(_ seen: [Observation]) async -> [Observation] {
        guard await notifier.rules.contains(where: { !$0.match.labels.isEmpty }) else { return seen }
        var labelled = seen
        var found: [String: [String: String]] = [:]
        for index in labelled.indices where !labelled[index].module.isEmpty {
            let module = labelled[index].module
            if found[module] == nil { found[module] = await platform.labels(of: module) }
            labelled[index].labels = found[module] ?? [:]
        }
        return labelled
    }

    // MARK: The broker itself

    /// Tells of a broker that is away, which cannot tell of itself, and that it is back, also after a new start.
    private func watchBroker() async throws {
        var isToldAway: Bool?
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(1))
            let isAway = state.outage.since.map { .now() - $0 >= Self.patience } ?? false
            guard isAway != isToldAway, isAway || state.isCurrent else { continue }
            isToldAway = isAway
            let seen = Observation(
                at: .now(), kind: .event(isAway ? "broker.away" : "broker.back"),
                text: isAway ? "it does not answer" : "it answers again", module: "", instance: "")
            try await Task { try await notifier.take([seen], offsets: [:]) }.value
        }
    }
}
