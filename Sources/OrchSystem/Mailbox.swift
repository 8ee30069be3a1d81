import Synchronization

/// Carries messages from handlers that must not wait to the one loop that takes them, in order.
///
/// It has no bound of its own: every sender is bounded by what it reports on, such as records in flight.
package final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let signal: AsyncStream<Void>.Continuation
    private let signals: AsyncStream<Void>

    package init() {
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func send(_ message: Message) {
        messages.withLock { $0.append(message) }
        signal.yield()
    }

    /// Ends ``forEachBatch(isolation:_:)`` once all that was sent is handled.
    package func finish() { signal.finish() }

    /// Calls `body` with whatever has come, until ``finish()`` or until the task is cancelled. One caller only.
    package func forEachBatch(
        isolation: isolated (any Actor)? = #isolation, _ body: ([Message]) async throws -> Void
    ) async rethrows {
        for await _ in signals {
            let batch = take()
            if !batch.isEmpty { try await body(batch) }
        }
        let rest = take()
        if !rest.isEmpty { try await body(rest) }
    }

    private func take() -> [Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
