import NIOCore
import OrchModel
import Synchronization

/// An instance behind the proxy, as all event loops share it.
final class Backend: Sendable {
    /// Failures in a row after which an instance is passed over for a while.
    private static let mostFailures = 5
    /// How long it is passed over; twice as long each time, up to 32 times.
    private static let firstEjection = TimeAmount.seconds(1)

    let service: ModuleName
    /// Somebody waits until it is idle, to end it then: it never takes requests again.
    private let isDraining = Atomic<Bool>(false)
    let member: ServiceRoute.Member
    let address: SocketAddress
    private let joined = NIODeadline.now()
    private let inFlight = Atomic<Int>(0)
    private let isOut = Atomic<Bool>(false)
    private let failures = Atomic<Int>(0)
    private let ejections = Atomic<Int>(0)
    /// Nanoseconds of the monotonic clock; 0 for none.
    private let ejectedUntil = Atomic<UInt64>(0)
    private let waiters = Mutex<[CheckedContinuation<Void, Never>]>([])

    init(_ member: ServiceRoute.Member, of service: ModuleName) throws {
        self.service = service
        self.member = member
        address = try SocketAddress(ipAddress: "127.0.0.1", port: member.port)
    }

    // MARK: Use

    /// Takes a place for a request or a connection.
    ///
    /// - Returns: `false` when it no longer takes any. Counted first and looked at second, while ``takeOut()`` does the
    ///   opposite: whoever comes too late is seen by one of them.
    func enter() -> Bool {
        inFlight.add(1, ordering: .sequentiallyConsistent)
        guard isOut.load(ordering: .sequentiallyConsistent) else { return true }
        leave()
        return false
    }

    func leave() {
        let left = inFlight.subtract(1, ordering: .sequentiallyConsistent).newValue
        guard left == 0, isOut.load(ordering: .sequentiallyConsistent) else { return }
        let ready = waiters.withLock { waiters in
            defer { waiters = [] }
            return waiters
        }
        for waiter in ready { waiter.resume() }
    }

    var load: Int { inFlight.load(ordering: .relaxed) }

    /// What it has in flight, weighed by how much of its share it gets yet.
    func weightedLoad(at now: NIODeadline, slowStart: TimeAmount) -> Double {
        let busy = Double(load + 1)
        let age = now - joined
        guard age < slowStart else { return busy }
        return busy / max(0.1, Double(age.nanoseconds) / Double(slowStart.nanoseconds))
    }

    // MARK: Leaving

    /// From now on nobody gets a place.
    func takeOut() { isOut.store(true, ordering: .sequentiallyConsistent) }

    func beginDrain() {
        isDraining.store(true, ordering: .sequentiallyConsistent)
        takeOut()
    }

    /// Whether this is the same program as the member, and may still be used.
    func stands(for other: ServiceRoute.Member) -> Bool {
        !isDraining.load(ordering: .sequentiallyConsistent) && member.id == other.id && member.port == other.port
            && member.revision == other.revision
    }

    /// It takes requests again, after it was seen to be ill.
    func comeBack() { isOut.store(false, ordering: .sequentiallyConsistent) }

    var isTakenOut: Bool { isOut.load(ordering: .relaxed) }

    /// Returns when all who had a place have left. Only after ``takeOut()``; cancelling does not end the wait.
    func waitUntilIdle() async {
        await withCheckedContinuation { continuation in
            let isIdle = waiters.withLock { waiters in
                if inFlight.load(ordering: .sequentiallyConsistent) == 0 { return true }
                waiters.append(continuation)
                return false
            }
            if isIdle { continuation.resume() }
        }
    }

    // MARK: Passive checks

    func succeeded() {
        if failures.load(ordering: .relaxed) != 0 { failures.store(0, ordering: .relaxed) }
        if ejections.load(ordering: .relaxed) != 0 { ejections.store(0, ordering: .relaxed) }
    }

    /// - Returns: whether it is passed over from now on.
    func failed() -> Bool {
        let count = failures.add(1, ordering: .relaxed).newValue
        guard count >= Self.mostFailures else { return false }
        failures.store(0, ordering: .relaxed)
        let times = min(ejections.add(1, ordering: .relaxed).oldValue, 5)
        let end = NIODeadline.now() + .nanoseconds(Self.firstEjection.nanoseconds << Int64(times))
        ejectedUntil.store(end.uptimeNanoseconds, ordering: .relaxed)
        return true
    }

    func isEjected(at now: NIODeadline) -> Bool {
        let end = ejectedUntil.load(ordering: .relaxed)
        return end != 0 && now.uptimeNanoseconds < end
    }
}
