import COrchSystem
import CRdkafka
import Glibc
import OrchModel
import OrchSystem

/// What librdkafka tells of itself.
package enum KafkaNotice: Sendable {
    case log(level: Int, String)
    /// The cluster cannot be reached, or answers with errors. It goes on trying.
    case trouble(String)
    /// An idempotent producer cannot go on; a new one must take its place.
    case fatal(String)
}

/// A librdkafka instance with its main queue, which a descriptor of the reactor wakes.
final class KafkaHandle: @unchecked Sendable {
    // librdkafka's handles may be used from any thread (INTRODUCTION.md, "Threads and callbacks"); the pointers never change.
    let client: OpaquePointer
    private let mainQueue: OpaquePointer
    private static let eventsATurn = 100
    private let wakeUp: Int32
    private let reactor: Reactor
    private let token: Reactor.Token

    /// - Parameters:
    ///   - onEvent: gets the events of the main queue on the reactor's thread and must not block.
    init(
        _ type: rd_kafka_type_t, configuration: OpaquePointer, reactor: Reactor,
        onEvent: @escaping @Sendable (OpaquePointer) -> Void
    ) throws {
        var message = [CChar](repeating: 0, count: 512)
        guard let client = rd_kafka_new(type, configuration, &message, message.count) else {
            rd_kafka_conf_destroy(configuration)
            throw OrchError(.failed, "librdkafka could not start: \(text(of: message))")
        }
        self.client = client
        self.reactor = reactor
        rd_kafka_set_log_queue(client, nil)
        let mainQueue: OpaquePointer = rd_kafka_queue_get_main(client)
        self.mainQueue = mainQueue
        let queue = SendablePointer(mainQueue)
        do {
            let wakeUp = try Descriptor(owning: checked("eventfd", orch_eventfd()))
            let number = wakeUp.number
            token = try reactor.watch(number) {
                var count: UInt64 = 0
                _ = read(number, &count, 8)
                for _ in 0..<Self.eventsATurn {
                    guard let event = rd_kafka_queue_poll(queue.pointer, 0) else { return }
                    onEvent(event)
                    rd_kafka_event_destroy(event)
                }
                // The others have their turn first; librdkafka tells only of a queue that was empty.
                Self.signal(number)
            }
            self.wakeUp = wakeUp.release()
        } catch {
            rd_kafka_queue_destroy(mainQueue)
            rd_kafka_destroy(client)
            throw error
        }
        enableWakeUps(of: mainQueue, through: wakeUp)
        // What came before that is told of by nobody.
        Self.signal(wakeUp)
    }

    private static func signal(_ eventDescriptor: Int32) {
        var one: UInt64 = 1
        _ = write(eventDescriptor, &one, 8)
    }

    /// Ends it. Blocks while librdkafka's threads end, so never call it on the cooperative pool.
    func close() {
        rd_kafka_queue_io_event_enable(mainQueue, -1, nil, 0)
        let (client, queue, wakeUp) = (SendablePointer(client), SendablePointer(mainQueue), wakeUp)
        let done = Semaphore()
        // After this no handler uses the queue.
        reactor.unwatch(token) {
            Glibc.close(wakeUp)
            done.signal()
        }
        done.wait()
        rd_kafka_queue_destroy(queue.pointer)
        rd_kafka_destroy(client.pointer)
    }

    /// What an event of the main queue says, if it is one that every client gets.
    static func notice(in event: OpaquePointer) -> KafkaNotice? {
        switch rd_kafka_event_type(event) {
        case RD_KAFKA_EVENT_ERROR:
            let text = String(cString: rd_kafka_event_error_string(event))
            return rd_kafka_event_error_is_fatal(event) != 0 ? .fatal(text) : .trouble(text)
        case RD_KAFKA_EVENT_LOG:
            var facility: UnsafePointer<CChar>?
            var line: UnsafePointer<CChar>?
            var level: Int32 = 0
            guard rd_kafka_event_log(event, &facility, &line, &level) == 0, let line else { return nil }
            return .log(level: Int(level), String(cString: line))
        default: return nil
        }
    }
}

/// Makes librdkafka write into an eventfd when a queue becomes non-empty.
func enableWakeUps(of queue: OpaquePointer, through descriptor: Int32) {
    var one: UInt64 = 1
    rd_kafka_queue_io_event_enable(queue, descriptor, &one, 8)
}

/// A pointer to one of librdkafka's thread-safe objects.
struct SendablePointer: @unchecked Sendable {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}
