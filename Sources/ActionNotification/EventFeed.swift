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

    let notifier: Notifier
    let platform: Platform
    let matching: any LineMatching
    /// Where it goes on.
    let offsets: [NotifierStore.Place: Int64]
    /// The module that this is, whose lines are about others' incidents.
    let own: String
    let logger: Logger

    /// Reads until the task is cancelled.
    func run() async throws {
        let reactor = try Reactor(name: "kafka")
        defer { reactor.stop() }
        let state = FeedState(offsets: offsets)
        while !Task.isCancelled {
            do {
                let settings = KafkaSettings(brokers: try await platform.broker())
                try await read(settings, reactor, state)
            } catch let error as OrchError where !Task.isCancelled {
                logger.warning("events cannot be read now", metadata: ["cause": "\(error.message)"])
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    private func read(_ settings: KafkaSettings, _ reactor: Reactor, _ state: FeedState) async throws {
        let admin = KafkaAdmin(settings: settings, reactor: reactor)
        let trouble = Outage()
        let consumer = try KafkaConsumer(settings: settings, reactor: reactor, longestWait: Self.longestWait) {
            notice in
            if case .trouble = notice { trouble.begin() }
        }
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await follow(consumer, state, trouble) }
                group.addTask { try await addTopics(consumer, admin, state) }
                group.addTask { try await watch(trouble) }
                group.addTask { await admin.closeWhenIdle() }
                defer { group.cancelAll() }
                try await group.next()
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await runBlocking(name: "kafka-close") { consumer.close() }
        try result.get()
    }

    // MARK: Which topics

    /// Begins to read topics that there were not before, again and again.
    private func addTopics(_ consumer: KafkaConsumer, _ admin: KafkaAdmin, _ state: FeedState) async throws {
        state.started = []
        var isFirst = state.isFirst
        while !Task.isCancelled {
            var wanted = [TopicName.events.rawValue: ""]
            let patterns = await notifier.rules.filter(\.match.isOfLines).map(\.match.topics)
            if !patterns.isEmpty {
                for (topic, module) in (try? await platform.topics()) ?? [:] where module != own {
                    let isMeant = patterns.contains { names in
                        names.isEmpty || names.contains { RuleMatcher.matches($0, topic) }
                    }
                    if isMeant { wanted[topic] = module }
                }
            }
            state.modules = wanted
            for topic in wanted.keys where !state.started.contains(topic) {
                for partition in 0..<Int32(try await admin.partitions(of: topic)) {
                    let place = NotifierStore.Place(topic: topic, partition: partition)
                    // What was there before anybody watched is history; a topic that is new is read from its beginning.
                    let bounds = try await admin.bounds(of: topic, partition: partition)
                    let offset = state.offset(of: place) ?? (isFirst ? bounds.end : bounds.start)
                    try consumer.start(topic, partition: partition, at: max(offset, bounds.start))
                }
                state.started.insert(topic)
            }
            isFirst = false
            state.isFirst = false
            try await Task.sleep(for: Self.refreshInterval)
        }
    }

    // MARK: Reading

    private func follow(_ consumer: KafkaConsumer, _ state: FeedState, _ trouble: Outage) async throws {
        while !Task.isCancelled {
            let batch = try await consumer.next()
            trouble.end()
            var seen: [Observation] = []
            var offsets: [NotifierStore.Place: Int64] = [:]
            let modules = state.modules
            batch.visit { record in
                let place = NotifierStore.Place(topic: record.topic, partition: record.partition)
                offsets[place] = record.offset + 1
                let isEvent = record.topic == TopicName.events.rawValue
                if let observation = isEvent ? event(record) : line(record, modules[record.topic] ?? "") {
                    seen.append(observation)
                }
            }
            if offsets.isEmpty { continue }
            let labelled = await addLabels(seen, state)
            try await notifier.take(labelled, offsets: offsets)
            state.note(offsets)
        }
    }

    private func event(_ record: KafkaRecordView) -> Observation? {
        guard let event = try? JSONDecoder().decode(Event.self, from: Data(record.value)) else { return nil }
        return Observation(
            at: event.at, kind: .event(event.kind), text: event.message, module: event.module?.rawValue ?? "",
            instance: event.instance?.rawValue ?? "")
    }

    private func line(_ record: KafkaRecordView, _ module: String) -> Observation? {
        var level = "unknown"
        record.visitHeaders { name, value in
            if name.elementsEqual("level".utf8) { level = String(decoding: value, as: UTF8.self) }
        }
        let text = String(decoding: record.value, as: UTF8.self)
        let isBad = ["warning", "error", "critical"].contains(level)
        var seen = Observation(
            at: Timestamp(nanoseconds: record.timestamp.multipliedReportingOverflow(by: 1_000_000).partialValue),
            kind: .line(level: level, topic: record.topic, isNewPattern: false), text: text, module: module,
            instance: String(decoding: record.key, as: UTF8.self))
        if isBad { seen.shape = matching.shape(of: text) }
        return seen
    }

    /// Labels are asked for only where a rule looks at them.
    private func addLabels(_ seen: [Observation], _ state: FeedState) async -> [Observation] {
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

    /// Tells of a broker that is away, which cannot tell of itself.
    private func watch(_ trouble: Outage) async throws {
        var isTold = false
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(1))
            let isAway = trouble.since.map { .now() - $0 >= Self.patience } ?? false
            guard isAway != isTold else { continue }
            isTold = isAway
            let kind = isAway ? "broker.away" : "broker.back"
            try await notifier.take(
                [
                    Observation(
                        at: .now(), kind: .event(kind), text: isAway ? "it does not answer" : "it answers again",
                        module: "",
                        instance: "")
                ], offsets: [:])
        }
    }
}
