import COrchSystem
import Glibc
import Synchronization

/// One named thread that runs the jobs of the actors built on it, one after the other.
///
/// For actors whose work blocks (`fsync`, SQLite, `fork`): the cooperative pool has only as many threads as cores, and
/// one blocked call there stalls everybody.
package final class ThreadExecutor: SerialExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    /// Counts the enqueued batches; the thread sleeps on it.
    private let wakeUp: Semaphore

    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - yieldsToOthers: where the processors are busy, its work waits for that of other threads.
    package init(name: String, yieldsToOthers: Bool = false) {
        let wakeUp = Semaphore()
        self.wakeUp = wakeUp
        startThread(name: name) { [weak self] in
            if yieldsToOthers { orch_lower_priority() }
            while true {
                wakeUp.wait()
                guard let self, self.runPending() else { return }
            }
        }
    }

    deinit {
        state.withLock { $0.isStopping = true }
        wakeUp.signal()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = state.withLock { state in
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if isFirst { wakeUp.signal() }
    }

    /// - Returns: whether to go on.
    private func runPending() -> Bool {
        let (jobs, isStopping) = state.withLock { state in
            let jobs = state.jobs
            state.jobs = []
            return (jobs, state.isStopping)
        }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        return !isStopping
    }
}

/// A counting semaphore of the system.
package final class Semaphore: @unchecked Sendable {
    // sem_t is made for use from many threads; its memory is never moved and lives as long as the object.
    private let memory = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    package init() { sem_init(memory, 0, 0) }

    deinit {
        sem_destroy(memory)
        memory.deallocate()
    }

    package func signal() { sem_post(memory) }

    package func wait() {
        while sem_wait(memory) != 0 && errno == EINTR {}
    }
}

/// Starts a detached thread with a small stack and all signals blocked: they belong to the main thread.
package func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 512 * 1024)
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(name: name, body: body))
    let failed = pthread_create(
        &thread, &attributes,
        { context in
            guard let context else { return nil }
            let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
            orch_name_thread(box.name)
            box.body()
            return nil
        }, box.toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    pthread_attr_destroy(&attributes)
    precondition(failed == 0, "no thread could be started: \(SystemError.reason(failed))")
}

/// Runs something that blocks on a thread of its own. Cancelling does not end it.
package func runBlocking<Value: Sendable>(name: String, _ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        startThread(name: name) { continuation.resume(returning: body()) }
    }
}
