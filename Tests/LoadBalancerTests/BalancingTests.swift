import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import LoadBalancer
@testable import OrchModel

/// Whom the load balancer chooses.
struct BalancingTests {
    private let proxy = LoopProxy(loop: EmbeddedEventLoop(), logger: Logger(label: "test")) { _ in }
    private let service: LoopService
    private let spec: EndpointSpec

    init() throws {
        let module = try ModuleSpec(stored: ["name": "shop", "command": ["x"], "topic": "shop", "base_directory": "/"])
        var spec = module.endpoint
        spec.slowStart = .zero
        self.spec = spec
        service = LoopService(module.name, spec, proxy)
    }

    private func backend(_ number: Int, revision: Int = 1) throws -> Backend {
        try Backend(
            ServiceRoute.Member(
                id: InstanceID(unchecked: "shop-\(number)"), port: 20_000 + number, revision: revision),
            of: service.name)
    }

    private func update(_ backends: [Backend]) { service.update(spec, backends.map { ($0, nil) }) }

    /// How often each of the members is chosen in a thousand requests that take no time.
    private func choices(_ count: Int = 1000, not failed: LoopMember? = nil) -> [String: Int] {
        var counts: [String: Int] = [:]
        for _ in 0..<count {
            guard let member = service.choose(not: failed) else { continue }
            counts[member.id.rawValue, default: 0] += 1
            member.backend.leave()
        }
        return counts
    }

    @Test func `equal ones get about the same`() throws {
        update(try (1...4).map { try backend($0) })
        for count in choices().values { #expect((150...350).contains(count)) }
    }

    @Test func `of two the one with less in flight is chosen`() throws {
        let (busy, free) = (try backend(1), try backend(2))
        update([busy, free])
        for _ in 0..<10 { #expect(busy.enter()) }
        #expect(choices() == ["shop-2": 1000])
    }

    @Test func `one that failed five times in a row is passed over, but never most of them`() throws {
        let all = try (1...4).map { try backend($0) }
        update(all)
        for _ in 0..<4 { #expect(!all[0].failed()) }
        #expect(all[0].failed())
        proxy.now = .now()
        #expect(choices()["shop-1"] == nil)
        for _ in 0..<5 { _ = all[1].failed() }
        #expect(Set(choices().keys) == ["shop-3", "shop-4"])
        // With three of four gone the fault is more likely elsewhere.
        for _ in 0..<5 { _ = all[2].failed() }
        #expect(choices().count == 4)
    }

    @Test func `a success between failures is a new beginning`() throws {
        let one = try backend(1)
        for _ in 0..<4 { #expect(!one.failed()) }
        one.succeeded()
        for _ in 0..<4 { #expect(!one.failed()) }
    }

    @Test func `a new one gets its share little by little`() throws {
        var slow = spec
        slow.slowStart = .seconds(3600)
        let (old, new) = (try backend(1), try backend(2))
        #expect(new.weightedLoad(at: .now(), slowStart: .seconds(3600)) > 9)
        #expect(old.weightedLoad(at: .now(), slowStart: .zero) == 1)
    }

    @Test func `a canary gets its share of the requests, whatever its number`() throws {
        let old = try (1...3).map { (backend: try backend($0), share: Double?.none) }
        service.update(spec, old + [(try backend(4, revision: 2), 0.2)])
        #expect((120...280).contains(choices()["shop-4", default: 0]))
    }

    @Test func `the one that has just failed is avoided while there is another`() throws {
        update(try [backend(1), backend(2)])
        let failed = try #require(service.members.first)
        #expect(choices(not: failed) == ["shop-2": 1000])
    }

    @Test func `whoever is taken out gives no more places, and is idle when the last has left`() async throws {
        let one = try backend(1)
        update([one])
        let member = try #require(service.choose())
        one.takeOut()
        #expect(service.choose() == nil)
        async let idle: Void = one.waitUntilIdle()
        member.backend.leave()
        await idle
        #expect(one.load == 0)
    }

    @Test func `requests that wait are resumed when somebody comes, in their order`() throws {
        var resumed: [Int] = []
        let clients = (0..<3).map { _ in WaitingClient() }
        for (index, client) in clients.enumerated() { #expect(service.wait(client) { resumed.append(index) }) }
        service.stopWaiting(clients[1])
        update(try [backend(1)])
        #expect(resumed == [0, 2])
    }
}

private final class WaitingClient {}
