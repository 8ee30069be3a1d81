import NIOCore
import OrchModel

/// A service as one event loop sees it: whom to choose, and who waits for somebody to choose. Used on that loop only.
final class LoopService {
    /// Requests that may wait at once; the next ones are refused.
    private static let mostWaiting = 1024
    /// How often those that wait look whether an instance answers again that never left.
    private static let retryPause = TimeAmount.milliseconds(50)

    let name: ModuleName
    private unowned let proxy: LoopProxy
    private(set) var spec: EndpointSpec
    /// Its web pages, and what the paths of requests for them begin with.
    private(set) var site: StaticSite? = nil
    private(set) var sitePrefix: [UInt8] = []
    private(set) var members: [LoopMember] = []
    /// Members of a canary with their part of the requests, and the rest.
    private var canary: (members: [LoopMember], share: Double)?
    private var others: [LoopMember] = []
    private var waiting: [(id: ObjectIdentifier, resume: () -> Void)] = []
    private var isRetrying = false
    /// What members did that are gone, and what never reached one.
    var traffic = Traffic()
    var accessLog: AccessLogBudget

    init(_ name: ModuleName, _ spec: EndpointSpec, _ proxy: LoopProxy) {
        self.name = name
        self.spec = spec
        self.proxy = proxy
        accessLog = AccessLogBudget(linesPerSecond: spec.accessLog)
    }

    var hold: TimeAmount { .nanoseconds(spec.hold.nanoseconds) }
    var timeout: TimeAmount { .nanoseconds(spec.timeout.nanoseconds) }

    /// - Parameter backends: each with the part of the requests that all of its kind get; `nil` for what is left.
    func update(_ spec: EndpointSpec, _ backends: [(backend: Backend, share: Double?)], site: StaticSite? = nil) {
        self.site = site
        sitePrefix = Array("\(spec.path == "/" ? "" : spec.path)/ui".utf8)
        if spec.accessLog != self.spec.accessLog { accessLog = AccessLogBudget(linesPerSecond: spec.accessLog) }
        self.spec = spec
        let known = members
        members = backends.map { entry in
            known.first { $0.backend === entry.backend } ?? proxy.member(entry.backend)
        }
        for member in members { member.isCutOff = false }
        for gone in known where !members.contains(where: { $0 === gone }) { proxy.left(gone, self) }
        let sharing = zip(members, backends).filter { $0.1.share != nil }
        canary = sharing.first?.1.share.map { (sharing.map(\.0), $0) }
        others = zip(members, backends).filter { $0.1.share == nil }.map(\.0)
        resumeWaiting()
    }

    // MARK: Choosing

    /// Chooses an instance and takes a place at it, which the caller gives back by `leave`.
    func choose(not failed: LoopMember? = nil) -> LoopMember? {
        for _ in 0..<max(2, members.count) {
            guard let member = candidate(not: failed) else { return nil }
            if member.backend.enter() { return member }
        }
        return nil
    }

    /// The one of two random members that has less to do.
    private func candidate(not failed: LoopMember?) -> LoopMember? {
        var group = members
        if let canary, !others.isEmpty { group = proxy.random.unit() < canary.share ? canary.members : others }
        if group.count == 1 { return group[0] }
        let now = proxy.now
        let ejected = group.count { $0.backend.isEjected(at: now) }
        // When most would be passed over, the fault is more likely elsewhere: then nobody is.
        let passesOver = ejected > 0 && ejected * 2 <= group.count
        if passesOver || failed != nil {
            let usable = group.filter { $0 !== failed && !(passesOver && $0.backend.isEjected(at: now)) }
            if !usable.isEmpty { group = usable }
        }
        guard group.count > 1 else { return group.first }
        let first = proxy.random.below(group.count)
        var second = proxy.random.below(group.count - 1)
        if second >= first { second += 1 }
        let slowStart = TimeAmount.nanoseconds(spec.slowStart.nanoseconds)
        let (one, other) = (group[first], group[second])
        return one.backend.weightedLoad(at: now, slowStart: slowStart)
            <= other.backend.weightedLoad(at: now, slowStart: slowStart) ? one : other
    }

    // MARK: Waiting for somebody to choose

    /// - Returns: `false` when too many wait already.
    func wait(_ client: AnyObject, _ resume: @escaping () -> Void) -> Bool {
        guard waiting.count < Self.mostWaiting else { return false }
        waiting.append((ObjectIdentifier(client), resume))
        if !isRetrying {
            isRetrying = true
            retryLater()
        }
        return true
    }

    func stopWaiting(_ client: AnyObject) { waiting.removeAll { $0.id == ObjectIdentifier(client) } }

    private func resumeWaiting() {
        guard !members.isEmpty, !waiting.isEmpty else { return }
        let all = waiting
        waiting = []
        for (_, resume) in all { resume() }
    }

    private func retryLater() {
        proxy.loop.assumeIsolated().scheduleTask(in: Self.retryPause) { [weak self] in
            guard let self else { return }
            resumeWaiting()
            isRetrying = !waiting.isEmpty
            if isRetrying { retryLater() }
        }
    }
}

/// Random numbers where speed counts and secrecy does not (splitmix64, Steele, Lea and Flood 2014).
struct FastRandom {
    private var state: UInt64

    init() { state = UInt64.random(in: 1 ... .max) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// From 0 to `bound` - 1.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// From 0 to just below 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
