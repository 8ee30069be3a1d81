import Glibc
import OrchModel
import OrchSystem

/// The load balancer against haproxy, nginx and caddy: each proxy alone on the first core, the load and the server behind
/// them on the second, by turns in the same run.
struct ProxyBenchmark {
    private static let rounds = 5
    private static let ports = (
        ours: 19_555, oursTCP: 19_556, haproxy: 19_557, haproxyTCP: 19_558, nginx: 19_559, caddy: 19_560
    )

    private struct Proxy {
        var name: String
        var pid: pid_t
        var http: Int
        var tcp: Int?
    }

    /// What one run of the load generator tells.
    private struct Load {
        var perSecond: Double
        /// Milliseconds.
        var p99: Double
        /// CPU seconds of the proxy for 100,000 requests.
        var cpu: Double
        var megabytesPerSecond: Double
    }

    private let lab: Lab

    static func run(_ lab: Lab) throws -> [BenchResult] {
        try lab.restartAgent(core: 0)
        let benchmark = ProxyBenchmark(lab: lab)
        let proxies = try benchmark.start()
        let results = try benchmark.measure(proxies)
        try lab.restartAgent(core: nil)
        return results
    }

    // MARK: Setting up

    private func start() throws -> [Proxy] {
        try lab.run(["mkdir", "-p", "\(lab.folder)/www"])
        try lab.run([
            "sh", "-c", "head -c 1024 /dev/zero > www/1k; head -c 100000000 /dev/zero > www/big; chmod 755 . www",
        ])
        let server = try lab.write(
            "server.conf",
            """
            worker_processes 1; pid \(lab.folder)/server.pid; error_log /dev/null;
            events { worker_connections 8192; }
            http {
                access_log off; sendfile on; keepalive_requests 100000000;
                server { listen 127.0.0.1:${PORT} backlog=4096; root \(lab.folder)/www; }
            }
            """)
        // Two services of one kind: one behind an address that speaks HTTP, one behind TCP.
        for (name, mode, port) in [("web", "http", Self.ports.ours), ("raw", "tcp", Self.ports.oursTCP)] {
            let module = try lab.write(
                "\(name).yaml",
                """
                name: \(name)
                command: [sh, -c, 'exec taskset -c 1 nginx -c ${ORCH_CONFIG_DIR}/nginx.conf -g "daemon off;"']
                files: [{path: nginx.conf, source: \(server), mode: "0644"}]
                ports: [{name: http}]
                health: {type: tcp}
                endpoint: {mode: \(mode), port: \(port), access_log: 0}
                """)
            try lab.orch("deploy", module, "-q")
        }
        let addresses = try lab.output(of: ["sh", "-c", "'\(Files.sibling("orch"))' services -o json"])
        guard let backend = addresses.split(separator: "\"").first(where: { $0.hasPrefix("127.0.0.1:") }) else {
            throw OrchError(.failed, "the server behind the proxies does not run")
        }
        return [
            Proxy(name: "orch", pid: lab.agentPID, http: Self.ports.ours, tcp: Self.ports.oursTCP),
            try startHAProxy(String(backend)), try startNginx(String(backend)), try startCaddy(String(backend)),
        ]
    }

    private func startHAProxy(_ backend: String) throws -> Proxy {
        let configuration = try lab.write(
            "haproxy.cfg",
            """
            global
                nbthread 1
                maxconn 8000
            defaults
                mode http
                timeout connect 5s
                timeout client 60s
                timeout server 60s
            frontend web
                bind 127.0.0.1:\(Self.ports.haproxy)
                option forwardfor
                default_backend server
            backend server
                http-reuse always
                server one \(backend)
            listen raw
                mode tcp
                bind 127.0.0.1:\(Self.ports.haproxyTCP)
                server one \(backend)

            """)
        let pid = try lab.startPeer(["taskset", "-c", "0", "haproxy", "-db", "-f", configuration])
        return Proxy(name: "haproxy", pid: pid, http: Self.ports.haproxy, tcp: Self.ports.haproxyTCP)
    }

    private func startNginx(_ backend: String) throws -> Proxy {
        let configuration = try lab.write(
            "nginx.conf",
            """
            worker_processes 1; daemon off; pid \(lab.folder)/nginx.pid; error_log /dev/null;
            events { worker_connections 8192; }
            http {
                access_log off; keepalive_requests 100000000;
                upstream server { server \(backend); keepalive 256; }
                server {
                    listen 127.0.0.1:\(Self.ports.nginx) backlog=4096;
                    location / {
                        proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection "";
                        proxy_set_header X-Forwarded-For $remote_addr;
                    }
                }
            }
            """)
        let pid = try lab.startPeer(["taskset", "-c", "0", "nginx", "-c", configuration])
        return Proxy(name: "nginx", pid: pid, http: Self.ports.nginx)
    }

    private func startCaddy(_ backend: String) throws -> Proxy {
        let configuration = try lab.write(
            "Caddyfile",
            "{\n\tadmin off\n\tauto_https off\n}\nhttp://127.0.0.1:\(Self.ports.caddy) {\n\treverse_proxy \(backend)\n}\n"
        )
        let pid = try lab.startPeer([
            "taskset", "-c", "0", "caddy", "run", "--adapter", "caddyfile", "--config", configuration,
        ])
        return Proxy(name: "caddy", pid: pid, http: Self.ports.caddy)
    }

    // MARK: Measuring

    private func measure(_ proxies: [Proxy]) throws -> [BenchResult] {
        for proxy in proxies {
            try lab.run([
                "sh", "-c", "until curl -sf -o /dev/null http://127.0.0.1:\(proxy.http)/1k; do sleep 0.1; done",
            ])
        }
        let (ours, haproxy, nginx, caddy) = (proxies[0], proxies[1], proxies[2], proxies[3])
        let keep = try byTurns(proxies, path: "/1k")
        var results = compare("keep-alive, 1 KB", keep[ours.name]!, ("haproxy", keep[haproxy.name]!), barred: true)
        results += compare("keep-alive, 1 KB", keep[ours.name]!, ("nginx", keep[nginx.name]!), barred: false)
        results += compare("keep-alive, 1 KB", keep[ours.name]!, ("caddy", keep[caddy.name]!), barred: false)
        let each = try byTurns([ours, haproxy], path: "/1k", extra: ["-H", "Connection: close"])
        results += compare("connection per request", each[ours.name]!, ("haproxy", each[haproxy.name]!), barred: true)

        let big = try byTurns([ours, nginx], path: "/big", connections: 2)
        results.append(
            BenchResult(
                name: "download of 100 MB", value: big[ours.name]!.megabytesPerSecond, unit: "MB/s",
                peer: ("nginx", big[nginx.name]!.megabytesPerSecond), bar: .atLeast(1)))

        let raw = try byTurns([ours, haproxy], path: "/1k", isTCP: true)
        results.append(
            BenchResult(
                name: "TCP, requests", value: raw[ours.name]!.perSecond, unit: "1/s",
                peer: ("haproxy", raw[haproxy.name]!.perSecond), bar: .atLeast(1.05)))
        results.append(
            BenchResult(
                name: "TCP, CPU of 100,000 requests", value: raw[ours.name]!.cpu, unit: "s",
                peer: ("haproxy", raw[haproxy.name]!.cpu)))
        let fresh = try byTurns([ours, haproxy], path: "/1k", isTCP: true, extra: ["-H", "Connection: close"])
        results.append(
            BenchResult(
                name: "TCP, new connections", value: fresh[ours.name]!.perSecond, unit: "1/s",
                peer: ("haproxy", fresh[haproxy.name]!.perSecond), bar: .atLeast(0.9)))
        results.append(try memory(ours))
        return results
    }

    private func compare(_ what: String, _ ours: Load, _ peer: (name: String, load: Load), barred: Bool)
        -> [BenchResult]
    {
        [
            BenchResult(
                name: "\(what), requests", value: ours.perSecond, unit: "1/s", peer: (peer.name, peer.load.perSecond),
                bar: barred ? .atLeast(1) : nil),
            BenchResult(
                name: "\(what), p99", value: ours.p99, unit: "ms", peer: (peer.name, peer.load.p99),
                bar: barred ? .atMost(1.1) : nil),
            BenchResult(
                name: "\(what), CPU of 100,000 requests", value: ours.cpu, unit: "s", peer: (peer.name, peer.load.cpu),
                bar: barred ? .atMost(1.1) : nil),
        ]
    }

    /// Each proxy in turn, several times; the medians.
    private func byTurns(
        _ proxies: [Proxy], path: String, isTCP: Bool = false, connections: Int = 50, extra: [String] = []
    ) throws -> [String: Load] {
        var loads: [String: [Load]] = [:]
        for _ in 0..<Self.rounds {
            for proxy in proxies {
                let port = isTCP ? proxy.tcp ?? proxy.http : proxy.http
                loads[proxy.name, default: []].append(
                    try load(proxy.pid, port: port, path: path, connections: connections, extra: extra))
            }
        }
        return loads.mapValues { all in
            Load(
                perSecond: median(all.map(\.perSecond)), p99: median(all.map(\.p99)), cpu: median(all.map(\.cpu)),
                megabytesPerSecond: median(all.map(\.megabytesPerSecond)))
        }
    }

    private func load(_ pid: pid_t, port: Int, path: String, connections: Int, extra: [String]) throws -> Load {
        // wrk runs this at its end: plain numbers instead of a text with changing units.
        let script = try lab.write(
            "report.lua",
            "done = function(s, l, r) local e = s.errors; print(s.duration, s.requests, s.bytes, l:percentile(99), e.connect + e.read + e.write + e.status + e.timeout) end\n"
        )
        let before = cpu(pid)
        let text = try lab.output(
            of: ["taskset", "-c", "1", "wrk", "-t", "1", "-c", "\(connections)", "-d", "3s", "-s", script] + extra
                + ["http://127.0.0.1:\(port)\(path)"])
        let used = cpu(pid) - before
        let numbers =
            text.split(separator: "\n").last?.split(whereSeparator: \.isWhitespace).compactMap { Double($0) } ?? []
        guard numbers.count == 5, numbers[1] > 0 else { throw OrchError(.failed, "wrk says: \(text)") }
        guard numbers[4] == 0 else { throw OrchError(.failed, "\(numbers[4]) requests failed at port \(port)") }
        let seconds = numbers[0] / 1e6
        return Load(
            perSecond: numbers[1] / seconds, p99: numbers[3] / 1000, cpu: used / numbers[1] * 1e5,
            megabytesPerSecond: numbers[2] / 1e6 / seconds)
    }

    /// Of a proxy with its workers. The agent has none: what is below it are the instances.
    private func cpu(_ pid: pid_t) -> Double {
        let pids = pid == lab.agentPID ? [pid] : Programs.tree(of: pid)
        return pids.map(Benchmark.cpuSeconds).reduce(0, +)
    }

    /// What a thousand connections take, beyond what the agent has anyway.
    private func memory(_ ours: Proxy) throws -> BenchResult {
        let before = Benchmark.residentMB(ours.pid)
        let load = try lab.startPeer([
            "taskset", "-c", "1", "wrk", "-t", "1", "-c", "1000", "-d", "4s", "http://127.0.0.1:\(ours.http)/1k",
        ])
        var most = before
        while !Programs.waitForEnd(of: load, timeout: .milliseconds(200)) {
            most = max(most, Benchmark.residentMB(ours.pid))
        }
        return BenchResult(name: "memory of 1,000 connections", value: most - before, unit: "MB", bar: .atMost(20))
    }
}
