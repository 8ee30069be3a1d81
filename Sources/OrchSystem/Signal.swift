import Synchronization

/// Wakes whoever listens. A listener is woken once at first, and once for any number of signals while it is busy.
package final class Signal: Sendable {
    private struct State {
        var listeners: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastID: UInt64 = 0
        var count: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    package func send() {
        let listeners = state.withLock { state in
            state.count += 1
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.yield() }
    }

    /// How many signals were sent. Whoever looks at something and then waits for its change takes it before the look.
    package var count: UInt64 { state.withLock(\.count) }

    /// Waits until more signals than `count` were sent, for a time at most. Cancelling ends it at once.
    package func wait(after count: UInt64, atMost span: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: span, tolerance: .zero) }
            group.addTask { for await _ in self.listen() where self.count != count { return } }
            await group.next()
            group.cancelAll()
        }
    }

    /// The stream ends with the task that reads it.
    package func listen() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.lastID += 1
            state.listeners[state.lastID] = continuation
            return state.lastID
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        continuation.yield()
        return stream
    }
}
