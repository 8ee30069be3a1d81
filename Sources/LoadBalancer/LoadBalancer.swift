import Glibc
package import Logging
import NIOCore
import NIOPosix
package import OrchModel
import OrchSystem

/// The proxy in front of all services: opens their addresses, and passes what comes there to instances that work.
///
/// The deployer tells it of every change before it acts on it, and an instance is stopped only when its requests are done:
/// runtime and proxy learn of a change in one place and in one order.
package actor LoadBalancer {
    /// Ports that services get which name none: below the instances' (20000 to 32000) and the kernel's own range.
    private static let freePorts = 18_000..<20_000
    private static let mostLoops = 4
    /// Descriptors that are not for clients: logs, the database, instances.
    private static let reservedDescriptors = 512
    private static let certificateInterval = Duration.seconds(1)

    private let group: MultiThreadedEventLoopGroup
    private let proxies: [NIOLoopBound<LoopProxy>]
    private let logger: Logger
    private let report: @Sendable (TrafficNotice) -> Void
    private let mostConnections: Int
    private var routes: [ModuleName: ServiceRoute] = [:]
    /// Addresses that were promised and are not in a route yet.
    private var reserved: [ModuleName: ServiceRoute] = [:]
    private var backends: [InstanceID: Backend] = [:]
    private var sites: [ModuleName: StaticSite] = [:]
    private var listeners: [ListenerAddress: Listener] = [:]
    private var addressProblems: [ListenerAddress: String] = [:]
    private var isOpening = false
    private var opensAgain = false
    private var waitingForListeners: [CheckedContinuation<Void, Never>] = []

    /// - Parameters:
    ///   - logger: gets the access log too.
    ///   - report: called on any thread; must not block.
    package init(logger: Logger, report: @escaping @Sendable (TrafficNotice) -> Void) async throws {
        let loops = max(1, min(Self.mostLoops, Processors.available))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        self.group = group
        self.logger = logger
        self.report = report
        mostConnections = max(64, (ResourceLimits.openFiles - Self.reservedDescriptors) / 2 / loops)
        var proxies: [NIOLoopBound<LoopProxy>] = []
        for loop in group.makeIterator() {
            proxies.append(
                try await loop.submit {
                    NIOLoopBound(LoopProxy(loop: loop, logger: logger, report: report), eventLoop: loop)
                }.get())
        }
        self.proxies = proxies
    }

    // MARK: Running

    /// Looks after certificates until the task is cancelled, and then closes everything.
    package func run() async {
        while (try? await Task.sleep(for: Self.certificateInterval)) != nil {
            let all = listeners.values.compactMap(\.certificates)
            if !all.isEmpty { await runBlocking(name: "certificates") { for one in all { one.refresh() } } }
            if !addressProblems.isEmpty { await openListeners() }
        }
        for listener in listeners.values { await listener.close() }
        listeners = [:]
        try? await group.shutdownGracefully()
    }

    // MARK: Routes

    /// Finds out whether an endpoint can be had before anything is changed, and holds it until ``set(_:of:)`` or
    /// ``release(_:)``.
    ///
    /// - Parameter known: the port that the service has already.
    /// - Throws: `conflict` for a port or a name that somebody else has, and what is wrong with certificates.
    package func reserve(_ spec: ModuleSpec, known: Int?) async throws(OrchError) -> Int? {
        guard spec.endpointMode != .none else { return nil }
        let port = spec.endpoint.port != 0 ? spec.endpoint.port : known ?? freePort(for: spec.name)
        guard let port else {
            throw OrchError(
                .conflict, "no port from \(Self.freePorts.lowerBound) to \(Self.freePorts.upperBound - 1) is free")
        }
        let entrance = ServiceRoute.Entrance(
            mode: spec.endpointMode, spec: spec.endpoint, baseDirectory: spec.baseDirectory, port: port,
            ui: spec.interfaceFolder)
        try EndpointClaims.check(
            entrance, of: spec.name, against: Array(routes.values) + Array(reserved.values))
        reserved[spec.name] = ServiceRoute(service: spec.name, entrances: [entrance], members: [])
        do throws(OrchError) {
            try await check(entrance, of: spec.name)
        } catch {
            reserved[spec.name] = nil
            throw error
        }
        return port
    }

    package func release(_ name: ModuleName) { reserved[name] = nil }

    private func check(_ entrance: ServiceRoute.Entrance, of service: ModuleName) async throws(OrchError) {
        if entrance.spec.tls.isWanted {
            try await runBlocking(name: "certificate") {
                Result { () throws(OrchError) in try TLSCertificates.check(entrance, of: service) }
            }.get()
        }
        let address = ListenerAddress(entrance)
        if listeners[address] == nil {
            do throws(SystemError) { try Sockets.checkBind(host: address.host, port: address.port) } catch {
                // A listener of ours with another mode or address gives its place up in time.
                let isOurs = listeners.keys.contains { $0.port == address.port }
                if !(isOurs && error.errno == EADDRINUSE) { throw Listener.explained(error, address) }
            }
        }
    }

    /// The same for a name each time it is free, so that a service keeps its port even when everything else is lost.
    private func freePort(for name: ModuleName) -> Int? {
        let taken = Set((Array(routes.values) + reserved.values).flatMap { $0.entrances.map(\.port) })
        let start = name.rawValue.utf8.reduce(5381) { ($0 &* 33 &+ Int($1)) & 0xffff_ffff }
        return (0..<Self.freePorts.count).lazy
            .map { Self.freePorts.lowerBound + ($0 + start) % Self.freePorts.count }
            .first { !taken.contains($0) && Sockets.isFree(port: $0) }
    }

    /// From now on requests of the service go by this route; `nil` when there is none any more. Returns when its
    /// addresses are open, or known not to be.
    package func set(_ route: ServiceRoute?, of name: ModuleName) async {
        let site = await site(of: route, name)
        let before = routes[name]
        if let held = reserved[name]?.entrances.first, route?.entrances.contains(held) ?? true { reserved[name] = nil }
        guard route != before else { return }
        routes[name] = route
        let members = route?.members ?? []
        let stays = Set(members.map(\.id))
        for gone in before?.members ?? [] where !stays.contains(gone.id) { backends[gone.id]?.takeOut() }
        var current: [(backend: Backend, share: Double?)] = []
        for member in members {
            if let known = backends[member.id], known.stands(for: member) {
                known.comeBack()
                current.append((known, member.share))
            } else if let backend = try? Backend(member, of: name) {
                if let old = backends[member.id] {
                    old.takeOut()
                    retire(old)
                }
                backends[member.id] = backend
                current.append((backend, member.share))
            }
        }
        for proxy in proxies {
            let (spec, current) = (route?.entrances.last?.spec, current)
            proxy.eventLoop.execute {
                if let spec { proxy.value.set(name, spec, current, site: site) } else { proxy.value.remove(name) }
            }
        }
        // Those with requests in flight stay until they are drained, or are seen here again.
        for backend in backends.values where backend.service == name && backend.isTakenOut && backend.load == 0 {
            backends[backend.member.id] = nil
            retire(backend)
        }
        if route?.entrances != before?.entrances { await openListeners() }
    }

    /// The web pages of a service, read when they are another version's than before.
    private func site(of route: ServiceRoute?, _ name: ModuleName) async -> StaticSite? {
        guard let folder = route?.entrances.last?.ui, !folder.isEmpty else {
            sites[name] = nil
            return nil
        }
        let revision = route?.revision ?? 0
        if let known = sites[name], known.folder == folder, known.revision == revision { return known }
        do {
            let site = try await runBlocking(name: "site") {
                Result { () throws(OrchError) in try StaticSite(folder: folder, revision: revision) }
            }.get()
            sites[name] = site
            return site
        } catch {
            sites[name] = nil
            report(TrafficNotice(kind: "endpoint.failed", service: name, message: error.message))
            return nil
        }
    }

    /// Returns when the instance has nothing in flight any more. What is not done within `limit` is cut off.
    package func drain(_ id: InstanceID, within limit: TimeSpan) async {
        guard let backend = backends[id] else { return }
        backend.beginDrain()
        async let _: Void = cutOff(backend, after: limit)
        await backend.waitUntilIdle()
        if backends[id] === backend { backends[id] = nil }
        retire(backend)
    }

    private func cutOff(_ backend: Backend, after limit: TimeSpan) async {
        // Cancelled when all is done, and when the agent ends, which must not wait for clients.
        try? await Task.sleep(for: limit.duration)
        for proxy in proxies { proxy.eventLoop.execute { proxy.value.closeAll(backend) } }
    }

    private func retire(_ backend: Backend) {
        for proxy in proxies { proxy.eventLoop.execute { proxy.value.forget(backend) } }
    }

    // MARK: Listeners

    private var wanted: [ListenerAddress: [(ModuleName, ServiceRoute.Entrance)]] {
        var wanted: [ListenerAddress: [(ModuleName, ServiceRoute.Entrance)]] = [:]
        for route in routes.values.sorted(by: { $0.service < $1.service }) {
            for entrance in route.entrances {
                wanted[ListenerAddress(entrance), default: []].append((route.service, entrance))
            }
        }
        return wanted
    }

    /// Opens and closes what has to be, one pass at a time: whoever comes meanwhile has the pass done again, and waits.
    private func openListeners() async {
        if isOpening {
            opensAgain = true
            await withCheckedContinuation { waitingForListeners.append($0) }
            return
        }
        isOpening = true
        repeat {
            opensAgain = false
            await openListenersOnce()
        } while opensAgain
        isOpening = false
        let ready = waitingForListeners
        waitingForListeners = []
        for waiter in ready { waiter.resume() }
    }

    private func openListenersOnce() async {
        let wanted = wanted
        for (address, listener) in listeners where wanted[address] == nil {
            listeners[address] = nil
            await listener.close()
            setTable(nil, at: address)
        }
        addressProblems = addressProblems.filter { wanted[$0.key] != nil }
        for (address, entrances) in wanted {
            setTable(RouteTable(entrances), at: address)
            if listeners[address] == nil { await open(address, for: entrances[0].0) }
            guard let certificates = listeners[address]?.certificates else { continue }
            await runBlocking(name: "certificates") {
                certificates.set(entrances.map { TLSCertificates.Source($0.1, of: $0.0) })
            }
        }
    }

    private func open(_ address: ListenerAddress, for service: ModuleName) async {
        do throws(OrchError) {
            // Other programs of this user could share the port, which must not pass unnoticed.
            do throws(SystemError) { try Sockets.checkBind(host: address.host, port: address.port) } catch {
                throw Listener.explained(error, address)
            }
            listeners[address] = try await Listener.open(
                address, on: proxies, mostConnections: mostConnections, report: report)
            addressProblems[address] = nil
            report(
                TrafficNotice(
                    kind: "endpoint.open", service: service, message: "\(address) is open now",
                    ends: "endpoint.failed"))
        } catch {
            if addressProblems[address] == nil {
                report(TrafficNotice(kind: "endpoint.failed", service: service, message: error.message))
            }
            addressProblems[address] = error.message
        }
    }

    private func setTable(_ table: RouteTable?, at address: ListenerAddress) {
        for proxy in proxies { proxy.eventLoop.execute { proxy.value.set(table, at: address) } }
    }

    // MARK: What others see

    /// Why addresses of services are not open.
    package var problems: [ModuleName: String] {
        if addressProblems.isEmpty { return [:] }
        return routes.compactMapValues { route in
            route.entrances.lazy.compactMap { self.addressProblems[ListenerAddress($0)] }.first
        }
    }

    /// What went through, by service and instance.
    package func traffic() async -> [ModuleName: TrafficView] {
        var sums: [ModuleName: ServiceTraffic] = [:]
        for proxy in proxies {
            guard let part = try? await proxy.eventLoop.submit({ proxy.value.traffic() }).get() else { continue }
            for (name, traffic) in part { sums[name, default: ServiceTraffic(total: Traffic())].add(traffic) }
        }
        return sums.mapValues(\.view)
    }
}
