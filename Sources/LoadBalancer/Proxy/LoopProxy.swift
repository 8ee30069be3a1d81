import Logging
import NIOCore
import OrchModel

/// A connection that is looked at once a second.
protocol SweptConnection: AnyObject {
    /// Ends itself when it has waited for too long.
    func sweep(at now: NIODeadline)
}

/// The proxy's state on one event loop. Everything that belongs to a connection happens on its loop, so nothing here is
/// locked.
final class LoopProxy {
    private static let sweepInterval = TimeAmount.seconds(1)
    private static let turnsPerGeneration = 60

    let loop: any EventLoop
    let logger: Logger
    let report: @Sendable (TrafficNotice) -> Void
    let idPrefix = UInt32.random(in: 0 ... .max)
    var random = FastRandom()
    private var services: [ModuleName: LoopService] = [:]
    private var members: [ObjectIdentifier: LoopMember] = [:]
    private var tables: [ListenerAddress: RouteTable] = [:]
    private var clients: [ObjectIdentifier: any SweptConnection] = [:]
    private var sweeps = 0
    private var isSweeping = false
    private var requestCount: UInt32 = 0
    private var refusals: [ListenerAddress: Refusals] = [:]
    /// The time, to within a second; exact where a request begins.
    var now = NIODeadline.now()

    init(loop: any EventLoop, logger: Logger, report: @escaping @Sendable (TrafficNotice) -> Void) {
        self.loop = loop
        self.logger = logger
        self.report = report
    }

    // MARK: Routes

    func set(
        _ service: ModuleName, _ spec: EndpointSpec, _ backends: [(backend: Backend, share: Double?)], site: StaticSite?
    ) {
        now = .now()
        let known = services[service] ?? LoopService(service, spec, self)
        services[service] = known
        known.update(spec, backends, site: site)
    }

    func remove(_ service: ModuleName) {
        services[service]?.update(services[service]!.spec, [], site: nil)
        services[service] = nil
    }

    func set(_ table: RouteTable?, at address: ListenerAddress) { tables[address] = table }

    func service(at address: ListenerAddress, host: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer)
        -> LoopService?
    {
        tables[address]?.service(host: host, path: path).flatMap { services[$0] }
    }

    /// The service behind a listener in TCP mode.
    func service(at address: ListenerAddress) -> LoopService? {
        tables[address]?.entries.first.flatMap { services[$0.service] }
    }

    // MARK: Members

    func member(_ backend: Backend) -> LoopMember {
        if let known = members[ObjectIdentifier(backend)] { return known }
        let member = LoopMember(backend, self)
        members[ObjectIdentifier(backend)] = member
        return member
    }

    /// It gets no more requests, and may still have some. What it has counted is its service's from now on.
    func left(_ member: LoopMember, _ service: LoopService) {
        service.traffic.add(member.traffic)
        member.traffic = Traffic()
        member.beginDrain()
    }

    /// The last of it: what is still open is closed.
    func forget(_ backend: Backend) {
        guard let member = members.removeValue(forKey: ObjectIdentifier(backend)) else { return }
        member.closeAll()
        services[backend.service]?.traffic.add(member.traffic)
        member.traffic = Traffic()
    }

    func closeAll(_ backend: Backend) { members[ObjectIdentifier(backend)]?.closeAll() }

    // MARK: Connections

    func opened(_ client: any SweptConnection) {
        clients[ObjectIdentifier(client)] = client
        if !isSweeping {
            isSweeping = true
            now = .now()
            sweepLater()
        }
    }

    func closed(_ client: any SweptConnection) { clients[ObjectIdentifier(client)] = nil }

    var connectionCount: Int { clients.count }

    private func sweepLater() {
        loop.assumeIsolated().scheduleTask(in: Self.sweepInterval) { [weak self] in self?.sweep() }
    }

    private func sweep() {
        now = .now()
        sweeps += 1
        for client in Array(clients.values) { client.sweep(at: now) }
        for member in members.values { member.closeOldIdle() }
        tellRefusals()
        if sweeps % Self.turnsPerGeneration == 0 {
            for member in members.values { member.traffic.latency.turn() }
            for service in services.values { service.traffic.latency.turn() }
        }
        // An agent without connections wakes up for nothing here.
        isSweeping = !clients.isEmpty
        if isSweeping { sweepLater() }
    }

    // MARK: Bad clients

    private struct Refusals {
        var count = 0
        var reason = ""
        var toldAt = NIODeadline.uptimeNanoseconds(0)
    }

    private static let refusalInterval = TimeAmount.seconds(60)

    /// A client has broken the protocol. Told at once, and then once a minute, however many there are.
    func refused(_ violation: HTTPViolation, at address: ListenerAddress) {
        refusals[address, default: Refusals()].count += 1
        refusals[address]?.reason = violation.reason
        tellRefusals()
    }

    private func tellRefusals() {
        for (address, refused) in refusals
        where refused.count > 0
            && (refused.toldAt.uptimeNanoseconds == 0 || now - refused.toldAt > Self.refusalInterval)
        {
            report(
                TrafficNotice(
                    kind: "endpoint.refused", service: tables[address]?.entries.first?.service,
                    message: "\(refused.count) malformed or late at \(address): \(refused.reason)"))
            refusals[address] = Refusals(toldAt: now)
        }
    }

    /// A name for a request that no other has: 16 hexadecimal digits.
    func nextRequestID() -> UInt64 {
        requestCount &+= 1
        return UInt64(idPrefix) << 32 | UInt64(requestCount)
    }

    // MARK: Counts

    func traffic() -> [ModuleName: ServiceTraffic] {
        services.mapValues { service in
            var sum = ServiceTraffic(total: service.traffic)
            for member in service.members {
                sum.total.add(member.traffic)
                sum.instances[member.id] = InstanceTraffic(
                    traffic: member.traffic, inFlight: member.backend.load,
                    isPassedOver: member.backend.isEjected(at: .now()))
            }
            return sum
        }
    }
}

/// What went through a service, and through each of its instances that are there.
package struct ServiceTraffic: Sendable {
    var total: Traffic
    var instances: [InstanceID: InstanceTraffic] = [:]
}

struct InstanceTraffic: Sendable {
    var traffic: Traffic
    /// Over all event loops.
    var inFlight: Int
    var isPassedOver: Bool
}
