import OrchKafka
import OrchModel
import OrchSystem
import Synchronization

/// Sends notifications to topics of the broker that the agent uses. Made when it is first needed.
final class TopicProducer: TopicWriting {
    private struct State {
        var producer: KafkaProducer?
        var waiting: [UInt64: CheckedContinuation<KafkaProducer.Failure?, Never>] = [:]
        var lastToken: UInt64 = 0
    }

    private let platform: Platform
    private let reactor: Reactor
    private let state = Mutex(State())

    init(platform: Platform) throws {
        self.platform = platform
        reactor = try Reactor(name: "producer")
    }

    func write(_ text: String, key: String, to topic: String) async throws(OrchError) {
        let producer = try await producer()
        let place = try producer.topic(topic)
        let token = state.withLock { state in
            state.lastToken += 1
            return state.lastToken
        }
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiting[token] = continuation }
                if let refusal = Self.send(text, key, place, token, producer) { finish(token, refusal) }
                // Whoever was cancelled before this could not find it.
                if Task.isCancelled { finish(token, .notSent("it ends")) }
            }
        } onCancel: {
            finish(token, .notSent("it ends"))
        }
        switch failure {
        case nil: return
        case .refused(let reason): throw OrchError(.invalidRequest, "topic \(topic) takes it not: \(reason)")
        case .notSent(let reason): throw OrchError(.unavailable, "topic \(topic) cannot be written now: \(reason)")
        }
    }

    private static func send(
        _ text: String, _ key: String, _ topic: KafkaProducer.Topic, _ token: UInt64, _ producer: KafkaProducer
    ) -> KafkaProducer.Failure? {
        var text = text
        return text.withUTF8 { bytes in
            let record = KafkaProducer.Record(
                key: key, value: UnsafeRawBufferPointer(bytes), timestamp: .now(), headers: RecordHeaders(count: 0),
                token: token)
            return switch producer.produce(record, to: topic) {
            case nil: nil
            case .queueFull: .notSent("too much waits already")
            case .never(let reason): .refused(reason)
            }
        }
    }

    private func finish(_ token: UInt64, _ failure: KafkaProducer.Failure?) {
        state.withLock { $0.waiting.removeValue(forKey: token) }?.resume(returning: failure)
    }

    private func producer() async throws(OrchError) -> KafkaProducer {
        if let known = state.withLock(\.producer) { return known }
        let settings = KafkaSettings(brokers: try await platform.broker())
        do {
            let made = try KafkaProducer(settings: settings, batchSize: .full, reactor: reactor) {
                [weak self] deliveries in
                for delivery in deliveries { self?.finish(delivery.token, delivery.failure) }
            } onNotice: { _ in
            }
            let other = state.withLock { state in
                defer { if state.producer == nil { state.producer = made } }
                return state.producer
            }
            if let other {
                await runBlocking(name: "kafka-close") { made.close() }
                return other
            }
            return made
        } catch {
            throw OrchError(wrapping: error, "no producer can be made")
        }
    }

    /// Blocks.
    func close() {
        state.withLock(\.producer)?.close()
        reactor.stop()
    }
}
