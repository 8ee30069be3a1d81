import Synchronization

/// Those who wait for one of several partitions to grow.
final class GrowthWaiters: Sendable {
    private struct State {
        var waiting: [UInt64: (partitions: Set<TopicPartition>, continuation: CheckedContinuation<Void, Never>)] = [:]
        var cancelledEarly: Set<UInt64> = []
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Returns after ``resume(_:)`` was called for one of the partitions, or when the task is cancelled.
    func wait(for partitions: Set<TopicPartition>, isolation: isolated (any Actor)? = #isolation) async {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelledEarly.remove(id) != nil { return true }
                    state.waiting[id] = (partitions, continuation)
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

    func resume(_ partition: TopicPartition) {
        let ready = state.withLock { state in
            let ready = state.waiting.filter { $0.value.partitions.contains(partition) }
            for id in ready.keys { state.waiting[id] = nil }
            return ready
        }
        for waiter in ready.values { waiter.continuation.resume() }
    }
}
