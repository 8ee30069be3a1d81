import Testing

@testable import LoadBalancer
@testable import OrchModel

private func entrance(
    hosts: [String] = [], path: String = "/", port: Int = 8080, tls: String = "", mode: EndpointSpec.Mode = .http,
    address: String = "127.0.0.1"
) -> ServiceRoute.Entrance {
    let spec = EndpointSpec(
        mode: mode, port: port, address: address, hosts: hosts, path: path, target: "",
        tls: TLSSpec(certificate: tls, key: tls), drain: .seconds(30), hold: .seconds(2), timeout: .seconds(60),
        slowStart: .seconds(2), accessLog: 50)
    return ServiceRoute.Entrance(mode: mode, spec: spec, baseDirectory: "/", port: port)
}

private func name(_ text: String) -> ModuleName { ModuleName(unchecked: text) }

struct RouteTableTests {
    private let table = RouteTable([
        (name("any"), entrance()),
        (name("shop"), entrance(hosts: ["shop.example.com"])),
        (name("cart"), entrance(hosts: ["shop.example.com"], path: "/cart/")),
        (name("wild"), entrance(hosts: ["*.example.com"])),
        (name("admin"), entrance(path: "/admin")),
    ])

    private func service(_ host: String, _ path: String) -> String? {
        Array(host.utf8).withUnsafeBytes { host in
            Array(path.utf8).withUnsafeBytes { path in table.service(host: host, path: path)?.rawValue }
        }
    }

    @Test func `the most particular host wins, then the longest path`() {
        #expect(service("shop.example.com", "/") == "shop")
        #expect(service("SHOP.example.com:8080", "/x") == "shop")
        #expect(service("shop.example.com.", "/cart") == "cart")
        #expect(service("shop.example.com", "/cart/7") == "cart")
        #expect(service("shop.example.com", "/cartoon") == "shop")
        #expect(service("blog.example.com", "/cart") == "wild")
        #expect(service("example.com", "/") == "any")
        #expect(service("other", "/admin") == "admin")
        #expect(service("", "/x") == "any")
    }

    @Test func `a request for nobody is nobody's`() {
        let alone = RouteTable([(name("shop"), entrance(hosts: ["shop.example.com"], path: "/a"))])
        let found = Array("shop.example.com".utf8).withUnsafeBytes { host in
            Array("/b".utf8).withUnsafeBytes { alone.service(host: host, path: $0) }
        }
        #expect(found == nil)
    }
}

struct EndpointClaimsTests {
    private func conflict(_ first: ServiceRoute.Entrance, _ second: ServiceRoute.Entrance) -> String? {
        do throws(OrchError) {
            try EndpointClaims.check(
                second, of: name("two"),
                against: [ServiceRoute(service: name("one"), entrances: [first], members: [])])
            return nil
        } catch {
            #expect(error.code == .conflict)
            return error.message
        }
    }

    @Test func `one host and path belong to one service, and both are named`() throws {
        let message = try #require(
            conflict(entrance(hosts: ["a.b"], path: "/x"), entrance(hosts: ["A.b"], path: "/x/")))
        #expect(message.contains("one"))
        #expect(message.contains("two"))
        #expect(conflict(entrance(hosts: ["a.b"]), entrance(hosts: ["c.d"])) == nil)
        #expect(conflict(entrance(path: "/x"), entrance(path: "/y")) == nil)
        #expect(conflict(entrance(port: 1), entrance(port: 2)) == nil)
        #expect(conflict(entrance(), entrance()) != nil)
    }

    @Test func `a port is shared only by what speaks the same`() {
        #expect(conflict(entrance(mode: .tcp), entrance(path: "/x")) != nil)
        #expect(conflict(entrance(hosts: ["a"], tls: "x"), entrance(hosts: ["b"])) != nil)
        #expect(conflict(entrance(hosts: ["a"]), entrance(hosts: ["b"], address: "0.0.0.0")) != nil)
        #expect(conflict(entrance(address: "127.0.0.2"), entrance(address: "127.0.0.1")) == nil)
    }
}

struct WebSocketFrameTests {
    @Test func `frames are followed in any pieces`() {
        // A text frame of 5 bytes, a masked one of 300 and a close.
        let stream: [UInt8] =
            [0x81, 5] + Array("hello".utf8) + [0x82, 0xfe, 1, 44, 1, 2, 3, 4] + [UInt8](repeating: 7, count: 300)
            + [0x88, 2, 3, 0xe9]
        let ends: Set<Int> = [0, 7, 315, 319]
        for cut in 0...stream.count {
            var frames = WebSocketFrames()
            stream[..<cut].withUnsafeBytes { frames.scan($0) }
            #expect(frames.isBetweenFrames == ends.contains(cut), "after \(cut) bytes")
            stream[cut...].withUnsafeBytes { frames.scan($0) }
            #expect(frames.isBetweenFrames)
        }
    }
}

struct LatencyHistogramTests {
    @Test func `quantiles are off by at most a fifth, and old times are forgotten`() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        for microseconds in 1...1000 { histogram.record(microseconds: Int64(microseconds)) }
        let median = try #require(histogram.quantile(0.5))
        let last = try #require(histogram.quantile(0.99))
        #expect((0.0005...0.0006).contains(median))
        #expect((0.00099...0.0012).contains(last))
        histogram.turn()
        #expect(histogram.quantile(0.5) == median)
        histogram.turn()
        #expect(histogram.quantile(0.5) == nil)
    }
}

struct PlacementTests {
    private func server(_ name: String, free: Int64, cpus: Int = 4, instances: Int = 0) -> Server {
        Server(
            name: name, address: "10.0.0.1", cpus: cpus, memory: ByteSize(bytes: 16 << 30),
            freeMemory: ByteSize(bytes: free << 30), instances: instances)
    }

    private func instance(_ module: String, at server: String, _ state: InstanceState = .healthy) -> InstanceView {
        InstanceView(
            id: InstanceID(unchecked: "\(module)-abc123"), module: name(module), topic: .events, version: "1",
            revision: 1,
            state: state, reason: "", runtime: .process, server: server, placement: nil, pid: 1, ports: [:],
            restarts: 0, lost: 0, since: Timestamp(seconds: 0), exit: nil)
    }

    private func spec(_ change: (inout ModuleSpec) -> Void = { _ in }) throws -> ModuleSpec {
        var spec = try ModuleSpec(stored: ["name": "shop", "command": ["x"], "topic": "shop", "base_directory": "/"])
        change(&spec)
        return spec
    }

    @Test func `instances of a module are spread, then the one with more room is taken`() throws {
        let servers = [server("a", free: 2), server("b", free: 8), server("c", free: 4)]
        let first = try Placement.choose(for: spec(), among: servers, beside: [])
        #expect(first.server == "b")
        let second = try Placement.choose(for: spec(), among: servers, beside: [instance("shop", at: "b")])
        #expect(second.server == "c")
        let packed = try Placement.choose(
            for: spec { $0.placement.spread = .resources }, among: servers, beside: [instance("shop", at: "b")])
        #expect(packed.server == "b")
    }

    @Test func `several that start at once are spread too, and those that have ended do not count`() throws {
        let servers = [server("a", free: 4), server("b", free: 2)]
        let second = try Placement.choose(for: spec(), among: servers, beside: [instance("shop", at: "a", .pending)])
        #expect(second.server == "b")
        let next = try Placement.choose(for: spec(), among: servers, beside: [instance("shop", at: "a", .failed)])
        #expect(next.server == "a")
    }

    @Test func `affinity comes first, and what does not fit is refused with reasons`() throws {
        let servers = [server("a", free: 2), server("b", free: 8)]
        let near = try Placement.choose(
            for: spec { $0.placement.near = [name("db")] }, among: servers, beside: [instance("db", at: "a")])
        #expect(near.server == "a")
        #expect(near.reason.contains("db"))
        let error = try #require(
            #expect(throws: OrchError.self) {
                try Placement.choose(for: spec { $0.limits.cpu = 8 }, among: servers, beside: [])
            })
        #expect(error.message.contains("a has 4 cores"))
        #expect(throws: OrchError.self) {
            try Placement.choose(for: spec { $0.placement.servers = ["z"] }, among: servers, beside: [])
        }
    }
}
