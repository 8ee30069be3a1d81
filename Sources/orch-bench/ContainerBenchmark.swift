import Glibc
import OrchModel
import OrchSystem

/// Containers by `orch deploy`, against `docker run -d` on the same engine.
enum ContainerBenchmark {
    private static let count = 30
    private static let rounds = 7

    static func run(_ lab: Lab) throws -> [BenchResult] {
        try lab.startDocker()
        // Keeps the network there, as the engine's own one is.
        let keeper = try lab.write(
            "keeper.yaml",
            "name: keeper\nruntime: docker\nimage: bench\ncommand: /bin/busybox sleep 100000\nstop: {signal: KILL}\n")
        try lab.orch("deploy", keeper, "-q")
        defer { _ = try? lab.orch("rm", "keeper", "-q") }
        return [try one(lab), try many(lab)]
    }

    private static func module(_ lab: Lab, _ name: String, _ more: String) throws -> String {
        try lab.write(
            "\(name).yaml",
            """
            name: \(name)
            runtime: docker
            image: bench
            command: /bin/busybox httpd -f -p 8080
            stop: {signal: KILL}
            \(more)

            """)
    }

    /// From the command to the first answer.
    private static func one(_ lab: Lab) throws -> BenchResult {
        let module = try module(
            lab, "boxed",
            "ports: [{name: http, target: 8080}]\nhealth: {type: tcp, interval: 10ms}\nupdate: {monitor: 0s}")
        var ours: [Double] = []
        var theirs: [Double] = []
        for round in 0..<rounds {
            ours.append(try lab.orch("deploy", module, "-q"))
            try lab.orch("rm", "boxed", "-q")
            let port = 19_000 + round
            let start = ContinuousClock.now
            try lab.run(
                lab.docker + [
                    "run", "-d", "--name", "boxed", "-p", "127.0.0.1:\(port):8080", "bench", "/bin/busybox", "httpd",
                    "-f", "-p", "8080",
                ])
            try spin(limit: 20) { accepts(port) }
            theirs.append(seconds(since: start) * 1000)
            try lab.run(lab.docker + ["rm", "-f", "boxed"])
        }
        return BenchResult(
            name: "deploy one container, to healthy", value: median(ours), unit: "ms",
            peer: ("docker run -d and a connection", median(theirs)), bar: .atMost(1.1))
    }

    private static func accepts(_ port: Int) -> Bool {
        let socket = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Many at once, against one after the other.
    private static func many(_ lab: Lab) throws -> BenchResult {
        let module = try module(lab, "boxes", "replicas: \(count)\nupdate: {monitor: 0s}")
        let ours = try lab.orch("deploy", module, "-q") / 1000
        try lab.orch("rm", "boxes", "-q")
        let start = ContinuousClock.now
        for number in 0..<count {
            try lab.run(
                lab.docker + [
                    "run", "-d", "--name", "box-\(number)", "bench", "/bin/busybox", "httpd", "-f", "-p", "8080",
                ])
        }
        let theirs = seconds(since: start)
        try lab.run(lab.docker + ["rm", "-f"] + (0..<count).map { "box-\($0)" })
        return BenchResult(
            name: "\(count) containers from one deploy", value: ours, unit: "s",
            peer: ("\(count) x docker run -d", theirs), bar: .atMost(0.6))
    }
}
