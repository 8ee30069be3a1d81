import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// The load balancer as clients meet it.
    @Suite(.serialized) struct Proxy {
        @Test(.timeLimit(.minutes(2))) func `every way of HTTP passes through unchanged`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent, replicas: 2)).status == 0)
                let shop = try await agent.address("shop")
                #expect(try await agent.curl("\(shop)/hello").output.hasSuffix("/hello\n"))
                #expect(try await agent.curl("-I", "\(shop)/").output.hasPrefix("HTTP/1.1 200"))
                #expect(try await agent.curl("\(shop)/chunks").output.utf8.count == 101_011)
                #expect(try await agent.curl("\(shop)/close").output == "until the end\n")
                let old = try await agent.curl("-0", "-i", "\(shop)/")
                #expect(old.output.contains("Connection: close"), "\(old)")
                let body = "\(agent.folder)/body"
                try Files.replace(body, with: String(repeating: "0123456789", count: 300_000))
                for extra in [["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"], []] {
                    let echo = try await agent.run(
                        ["curl", "-sS", "-m", "10", "--data-binary", "@\(body)"] + extra + ["\(shop)/"])
                    #expect(echo.output.hasPrefix("3000000 "), "\(echo)")
                }
                let headers = try await agent.curl(
                    "-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 9.9.9.9", "-H", "Connection: X-Secret",
                    "-H",
                    "X-Secret: 1", "\(shop)/headers"
                ).output
                #expect(headers.contains("X-Forwarded-Proto: http\n"), "\(headers)")
                #expect(headers.contains("X-Forwarded-For: 9.9.9.9\n"))
                #expect(headers.contains("X-Forwarded-For: 127.0.0.1\n"))
                #expect(headers.contains("Forwarded: for=127.0.0.1;host="))
                #expect(headers.contains("X-Request-Id: "))
                #expect(!headers.contains("X-Secret"))
                let pipelined = try await agent.raw(
                    agent.port("shop"),
                    #"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"#)
                #expect(pipelined.contains("/1\n") && pipelined.contains("/2\n"), "\(pipelined)")
                let metrics = try await agent.run([
                    "curl", "-sS", "--unix-socket", "\(agent.data)/orch.sock", "http://x/metrics",
                ])
                #expect(metrics.output.contains("orch_proxy_requests_total{"), "\(metrics)")
                try await agent.eventually("the access log is there") {
                    try await agent.orch("logs", "--topic", "Load_Balancer").output.contains("target=/hello")
                }
            }
        }

        @Test(
            .timeLimit(.minutes(2)),
            arguments: [
                (#"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"#, "400"),
                (
                    #"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"#,
                    "400"
                ),
                (#"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"#, "400"),
                (#"GET / HTTP/1.1\nHost: a\n\n"#, "400"),
                (#"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"#, "400"),
                (#"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"#, "400"),
                (#"GET / HTTP/3.0\r\nHost: a\r\n\r\n"#, "505"),
            ])
        func `what could smuggle a request is refused, and its connection ends`(bytes: String, status: String)
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let answer = try await agent.raw(agent.port("shop"), bytes)
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
                #expect(!answer.contains("(still open)"))
                #expect(!answer.contains("smuggled"))
                try await agent.eventually("there is an event") {
                    try await agent.orch("events", "-n", "50").output.contains("endpoint.refused")
                }
                #expect(try await agent.curl("\(agent.address("shop"))/").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `instances that misbehave are told from clients that do`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let shop = try await agent.address("shop")
                let broken = try await agent.curl("-w", "%{http_code}", "\(shop)/broken").output
                #expect(broken.contains("sent no proper answer") && broken.hasSuffix("502"), "\(broken)")
                let post = try await agent.curl("-w", "%{http_code}", "-d", "x", "\(shop)/reset").output
                #expect(post.contains("not sent again") && post.hasSuffix("502"), "\(post)")
                // It is tried again, but not for ever.
                let get = try await agent.curl("-w", "%{http_code}", "\(shop)/reset").output
                #expect(get.hasSuffix("502"), "\(get)")
                #expect(try await agent.curl("\(shop)/").status == 0)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `in TCP mode nothing is lost, whoever ends its half first and whenever`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let module = try BackendService.module(agent, endpoint: "mode: tcp, hold: 20s")
                #expect(try await agent.deploy(module).status == 0)
                let port = try await agent.port("shop")
                let client =
                    """
                    import socket, time
                    s = socket.create_connection(("127.0.0.1", \(port)))
                    s.sendall(b"GET /big HTTP/1.0\\r\\n\\r\\n")
                    s.shutdown(socket.SHUT_WR)
                    # Long enough for the proxy to have filled what it holds; it has no other way to be asked.
                    time.sleep(0.5)
                    count = 0
                    while block := s.recv(1 << 20): count += len(block)
                    print(count > 100_000_000)
                    """
                #expect(try await agent.run(["python3", "-c", client]).output == "True\n")
                // The client above reads late on purpose: what waits for it must not be thrown away. Now one comes before there
                // is anybody to take its request.
                #expect(try await agent.orch("stop", "shop").status == 0)
                async let early = agent.run(["python3", "-c", client])
                #expect(try await agent.orch("start", "shop").status == 0)
                #expect(try await early.output == "True\n")
            }
        }

        /// Slowness is what is tested, so these clients sleep between their bytes.
        @Test(.timeLimit(.minutes(2))) func `slow clients are ended, and disturb nobody`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let port = try await agent.port("shop")
                let outcome = try await agent.run([
                    "python3", "-c",
                    """
                    import socket, time
                    slow = [socket.create_connection(("127.0.0.1", \(port))) for _ in range(200)]
                    begin = time.monotonic()
                    for s in slow: s.sendall(b"GET / HTTP/1.1\\r\\nX: ")
                    worst = 0
                    while time.monotonic() - begin < 5:
                        for s in slow: s.sendall(b"x")
                        t = time.monotonic()
                        c = socket.create_connection(("127.0.0.1", \(port)))
                        c.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
                        assert c.recv(65536).startswith(b"HTTP/1.1 200"), "refused"
                        worst = max(worst, time.monotonic() - t)
                        time.sleep(0.2)
                    slow[0].settimeout(20)
                    print(slow[0].recv(65536).decode().split("\\r\\n")[0], time.monotonic() - begin < 15, worst < 2)
                    """,
                ])
                #expect(outcome.output.hasPrefix("HTTP/1.1 408 "), "\(outcome)")
                #expect(outcome.output.hasSuffix("True True\n"), "\(outcome)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a request waits for an instance for a while, and is then told what is wrong`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent, endpoint: "hold: 10s")).status == 0)
                let shop = try await agent.address("shop")
                #expect(try await agent.orch("stop", "shop").status == 0)
                async let held = agent.curl("\(shop)/held")
                #expect(try await agent.orch("start", "shop").status == 0)
                #expect(try await held.output.hasSuffix("/held\n"))
                #expect(
                    try await agent.deploy(BackendService.module(agent, version: "2", endpoint: "hold: 300ms")).status
                        == 0)
                #expect(try await agent.orch("stop", "shop").status == 0)
                let refused = try await agent.curl("-i", "\(shop)/")
                #expect(refused.output.hasPrefix("HTTP/1.1 503 "), "\(refused)")
                #expect(refused.output.contains("orch why shop"))
                #expect(refused.output.contains("Retry-After: 1"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `services share a port by host and path, and never the same`() async throws
        {
            try await TestAgent.withAgent { agent in
                let port = try agent.freePort()
                let any = try BackendService.module(agent, "any", env: "A: any", endpoint: "port: \(port)")
                let shop = try BackendService.module(
                    agent, "shop", endpoint: "port: \(port), hosts: [shop.test, '*.shop.test']")
                let cart = try BackendService.module(
                    agent, "cart", endpoint: "port: \(port), hosts: [shop.test], path: /cart")
                for module in [any, shop, cart] { #expect(try await agent.deploy(module).status == 0) }
                func who(_ host: String, _ path: String) async throws -> String {
                    let text = try await agent.curl("-H", "Host: \(host)", "http://127.0.0.1:\(port)\(path)").output
                    return String(text.split(separator: " ").dropFirst().first?.split(separator: "-").first ?? "")
                }
                #expect(try await who("shop.test", "/") == "shop")
                #expect(try await who("a.shop.test:80", "/cart") == "shop")
                #expect(try await who("shop.test", "/cart/7") == "cart")
                #expect(try await who("other", "/cart") == "any")
                let clash = try await agent.deploy(
                    BackendService.module(agent, "clash", endpoint: "port: \(port), hosts: [SHOP.test]"))
                #expect(clash.status == 6, "\(clash)")
                #expect(clash.errors.contains("clash") && clash.errors.contains("shop"), "\(clash)")
                #expect(try await agent.orch("rm", "any").status == 0)
                let nobody = try await agent.curl("-w", "%{http_code}", "http://127.0.0.1:\(port)/")
                #expect(nobody.output.hasSuffix("404"), "\(nobody)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a port or a certificate that cannot be had is told before anything is changed`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let taken = try await agent.port(of: "scheduler")
                let port = try await agent.deploy(BackendService.module(agent, endpoint: "port: \(taken)"))
                #expect(port.status == 6, "\(port)")
                #expect(port.errors.contains("\(taken) is taken by "), "\(port)")
                let missing = try await agent.deploy(
                    BackendService.module(agent, endpoint: "tls: {certificate: none.crt, key: none.key}"))
                #expect(missing.status == 2, "\(missing)")
                #expect(missing.errors.contains("none.crt"))
                let (old, oldKey) = try await agent.certificate("old", days: -1)
                let expired = try await agent.deploy(
                    BackendService.module(agent, endpoint: "tls: {certificate: \(old), key: \(oldKey)}"))
                #expect(expired.status == 2, "\(expired)")
                #expect(expired.errors.contains("expired at 2021-01-01"), "\(expired)")
                let (good, _) = try await agent.certificate("good")
                let mixed = try await agent.deploy(
                    BackendService.module(agent, endpoint: "tls: {certificate: \(good), key: \(oldKey)}"))
                #expect(mixed.errors.contains("does not belong"), "\(mixed)")
                let high = try await agent.deploy(BackendService.module(agent, endpoint: "address: 203.0.113.1"))
                #expect(high.errors.contains("no address 203.0.113.1"), "\(high)")
                #expect(try await agent.orch("services", "-o", "name").output == "scheduler\n")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `an address that cannot be opened is told, and so is its end, whichever agent sees it`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.deploy(BackendService.module(agent)).status == 0)
                let port = try await agent.port("shop")
                func told() async throws -> [String] {
                    try await agent.orch("events", "-n", "500").output
                        .split(whereSeparator: \.isWhitespace).map(String.init).filter { $0.hasPrefix("endpoint.") }
                }
                #expect(try await told() == [], "that all is well is nothing new")
                try await agent.killAgent()
                let other = try agent.start(
                    ["python3", "-m", "http.server", String(port), "--bind", "127.0.0.1"],
                    output: "\(agent.folder)/other.out")
                var isEnded = false
                defer { if !isEnded { agent.end(other) } }
                try await agent.eventually("the port is taken") { !Sockets.isFree(port: port) }
                try await agent.bootstrap()
                try await agent.eventually("it is told") { try await told() == ["endpoint.failed"] }
                try await agent.killAgent()
                agent.end(other)
                isEnded = true
                try await agent.eventually("the port is free") { Sockets.isFree(port: port) }
                try await agent.bootstrap()
                try await agent.eventually("it is over") { try await told() == ["endpoint.failed", "endpoint.open"] }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a service in TCP mode is redis to its clients, and ends halves properly`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let redis = try agent.module(
                    "cache",
                    "command: redis-server --port ${PORT} --save '' --appendonly no\nports: [{name: redis}]\nhealth: {type: tcp}"
                )
                #expect(try await agent.deploy(redis).status == 0)
                #expect(try await agent.address("cache").hasPrefix("tcp://"))
                let port = try await agent.port("cache")
                let run = try await agent.run([
                    "redis-benchmark", "-h", "127.0.0.1", "-p", "\(port)", "-n", "20000", "-c", "20", "-t", "set,get",
                    "-q",
                    "-d", "1000",
                ])
                #expect(run.status == 0 && run.output.contains("GET:") && !run.output.contains("rror"), "\(run)")
                // The client ends its half first and still gets everything.
                let half = try await agent.run([
                    "python3", "-c",
                    """
                    import socket
                    s = socket.create_connection(("127.0.0.1", \(port)))
                    s.sendall(b"SET k " + b"v" * 1000 + b"\\r\\nGET k\\r\\n" * 1 + b"PING\\r\\n")
                    s.shutdown(socket.SHUT_WR)
                    answer = b""
                    while block := s.recv(65536): answer += block
                    print(len(answer))
                    """,
                ])
                #expect(half.output == "1021\n", "\(half)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `a database is used by pgbench through the load balancer`() async throws {
            try await TestAgent.withAgent { agent in
                let data = "\(agent.folder)/pg"
                #expect(try await agent.run(["install", "-d", "-o", "postgres", "-m", "0700", data]).status == 0)
                let binaries = try await agent.run(["sh", "-c", "echo /usr/lib/postgresql/*/bin"]).lines[0]
                let module = try agent.module(
                    "db",
                    """
                    command: [sh, -c, 'initdb -D \(data)/db -A trust && exec postgres -D \(data)/db -p ${PORT} -k \(data) -c listen_addresses=127.0.0.1']
                    user: postgres
                    env: {PATH: "\(binaries):/usr/bin:/bin", LC_ALL: C.UTF-8}
                    ports: [{name: postgres}]
                    health: {type: tcp, start_period: 30s}
                    stop: {signal: INT}
                    """)
                let deployed = try await agent.deploy(module)
                #expect(deployed.status == 0, "\(deployed)")
                let port = try await agent.port("db")
                let bench = ["pgbench", "-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres"]
                #expect(try await agent.run(bench + ["-i", "-q", "postgres"]).status == 0)
                let run = try await agent.run(bench + ["-c", "4", "-T", "3", "postgres"])
                #expect(run.status == 0 && run.output.contains("number of failed transactions: 0"), "\(run)")
            }
        }
    }
}

extension TestAgent {
    /// A port of loopback that nobody listens at now.
    func freePort() throws -> Int {
        try #require((18_000..<20_000).shuffled().first { Sockets.isFree(port: $0) })
    }

    /// Deploys a shipped module and gives the port that its instance listens at.
    func port(of module: String) async throws -> Int {
        try #require(try await orch("deploy", module).status == 0)
        return try #require(try await instance(module).ports.values.first)
    }
}
