import Glibc
import OrchModel
import OrchSystem

/// A measurement by name.
struct Benchmark: Sendable {
    let name: String
    let run: @Sendable (Lab) throws -> [BenchResult]

    static let all: [Benchmark] = [
        Benchmark(name: "deploy", run: deploy), Benchmark(name: "hundred", run: hundred),
        Benchmark(name: "respawn", run: respawn),
        Benchmark(name: "list", run: list), Benchmark(name: "recovery", run: recovery),
        Benchmark(name: "footprint", run: footprint),
        Benchmark(name: "proxy", run: ProxyBenchmark.run), Benchmark(name: "update", run: update),
        Benchmark(name: "containers", run: ContainerBenchmark.run), Benchmark(name: "push", run: PushBenchmark.run),
        Benchmark(name: "schedules", run: ScheduleBenchmark.run),
        Benchmark(name: "capture", run: CaptureBenchmark.run), Benchmark(name: "ship", run: ShipBenchmark.run),
        Benchmark(name: "broker", run: BrokerBenchmark.run), Benchmark(name: "read", run: ReadBenchmark.run),
    ]

    private static let count = 100

    /// One process, from command to healthy, against `docker run -d`, which does not wait for health.
    private static func deploy(_ lab: Lab) throws -> [BenchResult] {
        try lab.startDocker()
        let module = try lab.write(
            "web.yaml",
            "name: web\ncommand: busybox httpd -f -p 127.0.0.1:${PORT}\nports: [{name: http}]\nhealth: {type: tcp}\n")
        var ours: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<15 {
            ours.append(try lab.orch("deploy", module, "-q"))
            try lab.orch("rm", "web", "-q")
            theirs.append(
                try lab.run(
                    lab.docker + ["run", "-d", "--name", "web", "bench", "/bin/busybox", "httpd", "-f", "-p", "80"]))
            try lab.run(lab.docker + ["rm", "-f", "web"])
        }
        return [
            BenchResult(
                name: "deploy one process, to healthy", value: median(ours), unit: "ms",
                peer: ("docker run -d", median(theirs)), bar: .atMost(0.2))
        ]
    }

    private static func startSleepers(_ lab: Lab) throws -> Double {
        let module = try lab.write(
            "sleepers.yaml",
            "name: sleepers\ncommand: busybox sleep 100000\nreplicas: \(count)\nupdate: {monitor: 0s}\n")
        return try lab.orch("deploy", module, "-q")
    }

    static func supervisorConfiguration(_ lab: Lab, _ programs: String) throws -> String {
        try lab.write(
            "supervisord.conf",
            """
            [unix_http_server]
            file=\(lab.folder)/supervisor.sock
            [supervisord]
            nodaemon=true
            logfile=\(lab.folder)/supervisord.log
            pidfile=\(lab.folder)/supervisord.pid
            childlogdir=\(lab.folder)
            [rpcinterface:supervisor]
            supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
            [supervisorctl]
            serverurl=unix://\(lab.folder)/supervisor.sock
            \(programs)
            """)
    }

    /// The programs in `/proc` that have just these arguments.
    private static func running(_ arguments: String) -> [pid_t] {
        Files.list("/proc").compactMap { pid_t($0) }.filter {
            (try? Files.readText("/proc/\($0)/cmdline")) == arguments
        }
    }

    /// A hundred processes from one deploy, against a supervisord that starts the same ones.
    private static func hundred(_ lab: Lab) throws -> [BenchResult] {
        var ours: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<3 {
            ours.append(try startSleepers(lab) / 1000)
            try lab.orch("rm", "sleepers", "-q")
            let configuration = try supervisorConfiguration(
                lab,
                """
                [program:sleeper]
                command=busybox sleep 200000
                process_name=%(program_name)s_%(process_num)d
                numprocs=\(count)
                startsecs=0
                """)
            let start = ContinuousClock.now
            try lab.startPeer(["supervisord", "-c", configuration])
            try spin(limit: 30) { running("busybox\0sleep\u{0}200000\0").count == count }
            theirs.append(seconds(since: start))
            try lab.run(["supervisorctl", "-c", configuration, "shutdown"])
            try spin(limit: 30) { running("busybox\0sleep\u{0}200000\0").isEmpty }
        }
        return [
            BenchResult(
                name: "100 processes", value: median(ours), unit: "s", peer: ("supervisord", median(theirs)),
                bar: .atMost(0.6))
        ]
    }

    /// From the kill of a process to its successor.
    private static func respawn(_ lab: Lab) throws -> [BenchResult] {
        let module = try lab.write(
            "phoenix.yaml",
            "name: phoenix\ncommand: busybox sleep 300000\nupdate: {monitor: 0s}\nrestart: {reset_after: 0s}\n")
        try lab.orch("deploy", module, "-q")
        let ours = try (0..<21).map { _ in try timeToSuccessor("busybox\0sleep\u{0}300000\0") }
        try lab.orch("rm", "phoenix", "-q")
        let configuration = try supervisorConfiguration(
            lab, "[program:phoenix]\ncommand=busybox sleep 400000\nautorestart=true\nstartsecs=0\n")
        try lab.startPeer(["supervisord", "-c", configuration])
        try spin(limit: 30) { !running("busybox\0sleep\u{0}400000\0").isEmpty }
        let theirs = try (0..<21).map { _ in try timeToSuccessor("busybox\0sleep\u{0}400000\0") }
        try lab.run(["supervisorctl", "-c", configuration, "shutdown"])
        return [
            BenchResult(
                name: "crash to respawn", value: median(ours), unit: "ms", peer: ("supervisord", median(theirs)),
                bar: .atMost(1))
        ]
    }

    private static func timeToSuccessor(_ arguments: String) throws -> Double {
        var victim: pid_t = 0
        try spin(limit: 30) {
            victim = running(arguments).first ?? 0
            return victim != 0
        }
        let start = ContinuousClock.now
        kill(victim, SIGKILL)
        try spin(limit: 30) { running(arguments).contains { $0 != victim } }
        return seconds(since: start) * 1000
    }

    /// The list of a hundred instances, against `docker ps` of 33 containers.
    private static func list(_ lab: Lab) throws -> [BenchResult] {
        try lab.startDocker()
        _ = try startSleepers(lab)
        for _ in 0..<33 {
            try lab.run(lab.docker + ["run", "-d", "--network", "none", "bench", "/bin/busybox", "sleep", "100000"])
        }
        var ours: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<31 {
            ours.append(try lab.orch("instances"))
            theirs.append(try lab.run(lab.docker + ["ps"]))
        }
        try lab.run([
            "sh", "-c", "\(lab.docker.joined(separator: " ")) ps -q | xargs \(lab.docker.joined(separator: " ")) rm -f",
        ])
        try lab.orch("rm", "sleepers", "-q")
        return [
            BenchResult(
                name: "orch instances, 100 instances", value: median(ours), unit: "ms",
                peer: ("docker ps, 33 containers", median(theirs)), bar: .atMost(0.6))
        ]
    }

    /// From the kill of an agent with a hundred instances to its successor's first answer.
    private static func recovery(_ lab: Lab) throws -> [BenchResult] {
        _ = try startSleepers(lab)
        let before = lab.instancePIDs()
        var times: [Double] = []
        for _ in 0..<7 {
            let start = ContinuousClock.now
            lab.killAgent()
            try lab.startAgent()
            try lab.orch("instances", "-q")
            times.append(seconds(since: start))
        }
        let kept = lab.instancePIDs().intersection(before).count
        try lab.orch("rm", "sleepers", "-q")
        return [
            BenchResult(name: "agent killed, to answering again", value: median(times), unit: "s", bar: .atMost(0.3)),
            BenchResult(
                name: "processes lost of \(before.count)", value: Double(before.count - kept), unit: "", bar: .atMost(0)
            ),
        ]
    }

    /// Memory and idle CPU with a hundred instances.
    private static func footprint(_ lab: Lab) throws -> [BenchResult] {
        _ = try startSleepers(lab)
        let shims = lab.shims()
        // What the start has left to do is done after this.
        sleep(5)
        let before = cpuSeconds(lab.agentPID)
        sleep(20)
        let share = (cpuSeconds(lab.agentPID) - before) / 20 * 100
        let results = [
            BenchResult(
                name: "agent resident, 100 instances", value: residentMB(lab.agentPID), unit: "MB", bar: .atMost(60)),
            BenchResult(name: "shim resident", value: median(shims.map(residentMB)), unit: "MB", bar: .atMost(1.5)),
            BenchResult(name: "agent idle, share of a core", value: share, unit: "%", bar: .atMost(0.2)),
        ]
        try lab.orch("rm", "sleepers", "-q")
        return results
    }

    /// Ten replicas replaced by a new version, against Swarm, both with their defaults; except that Swarm need not wait for
    /// programs that ignore SIGTERM, as the first process of a container does.
    private static func update(_ lab: Lab) throws -> [BenchResult] {
        func module(_ version: Int) throws -> String {
            try lab.write(
                "ten.yaml",
                "name: ten\nversion: v\(version)\ncommand: busybox httpd -f -p 127.0.0.1:${PORT}\nreplicas: 10\nports: [{name: http}]\nhealth: {type: tcp}\n"
            )
        }
        try lab.orch("deploy", module(0), "-q")
        let ours = try (1...5).map { try lab.orch("deploy", module($0), "-q") / 1000 }
        try lab.orch("rm", "ten", "-q")
        try lab.startDocker()
        try lab.run(lab.docker + ["swarm", "init", "--advertise-addr", "127.0.0.1"])
        try lab.run(
            lab.docker + [
                "service", "create", "--name", "ten", "--replicas", "10", "--stop-grace-period", "0s", "bench",
                "/bin/busybox", "httpd", "-f", "-p",
                "80",
            ])
        let theirs = try lab.run(lab.docker + ["service", "update", "--force", "ten"]) / 1000
        try lab.run(lab.docker + ["service", "rm", "ten"])
        try lab.run(lab.docker + ["swarm", "leave", "--force"])
        return [
            BenchResult(name: "update of 10 replicas", value: median(ours), unit: "s", bar: .atMost(10)),
            BenchResult(
                name: "update of 10 replicas", value: median(ours), unit: "s", peer: ("Docker Swarm", theirs),
                bar: .atMost(0.25)),
        ]
    }

    static func residentMB(_ pid: pid_t) -> Double { statusMB(pid, "VmRSS:") }

    /// The most that was resident at once.
    static func peakMB(_ pid: pid_t) -> Double { statusMB(pid, "VmHWM:") }

    private static func statusMB(_ pid: pid_t, _ field: String) -> Double {
        let lines = ((try? Files.readText("/proc/\(pid)/status")) ?? "").split(separator: "\n")
        return (Double(lines.first { $0.hasPrefix(field) }?.filter(\.isNumber) ?? "") ?? .nan) / 1000
    }

    /// Fields 14 and 15 of `/proc/PID/stat`, in ticks of 10 ms.
    static func cpuSeconds(_ pid: pid_t) -> Double {
        let fields =
            ((try? Files.readText("/proc/\(pid)/stat")) ?? "").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
