import Synchronization

/// Those who wait for a change of one of several things, such as partitions that grow or a group whose members join.
final class ChangeWaiters<Key: Hashable & Sendable>: Sendable {
    private struct State {
        var waiting: [UInt64: (keys: Set<Key>, continuation: CheckedContinuation<Void, Never>)] = [:]
        var cancelledEarly: Set<UInt64> = []
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Returns after ``resume(_:)`` was called for one of the keys, or when the task is cancelled.
    func wait(for keys: Set<Key>, isolation: isolated (any Actor)? = #isolation) async {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelledEarly.remove(id) != nil { return true }
                    state.waiting[id] = (keys, continuation)
                    return false
                }
                if isCancelled { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiting.removeValue(forKey: id)
                if waiter == nil { state.cancelledEarly.insert(id) }
                return waiter
            }
            waiter?.continuation.resume()
        }
        // A cancellation after the wake-up leaves its mark behind.
        state.withLock { _ = $0.cancelledEarly.remove(id) }
    }

    func resume(_ key: Key) {
        let ready = state.withLock { state in
            guard !state.waiting.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            let ready = state.waiting.filter { $0.value.keys.contains(key) }
            for id in ready.keys { state.waiting[id] = nil }
            return ready.values.map(\.continuation)
        }
        for waiter in ready { waiter.resume() }
    }
}

/// Returns when `body` has, or at `deadline`.
func withDeadline(_ deadline: ContinuousClock.Instant, _ body: @escaping @Sendable () async -> Void) async {
    await withTaskGroup(of: Void.self) { group in
        group.addTask { await body() }
        group.addTask { try? await Task.sleep(until: deadline, clock: .continuous) }
        await group.next()
        group.cancelAll()
    }
}
