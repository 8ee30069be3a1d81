import Glibc
import OrchModel
import OrchSystem

/// The scheduler with a hundred thousand schedules: what it takes, and how late it acts.
enum ScheduleBenchmark {
    private static let count = 100_000
    private static let batch = 10_000
    private static let acts = 3000
    /// Between two due times.
    private static let gap = TimeSpan.milliseconds(10)
    private static let idleSeconds = 20

    /// Notes how late each call comes: its path is the time at which it was due, in nanoseconds.
    private static let receiver = """
        import http.server, socketserver, sys, time
        class Receiver(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_POST(self):
                late = time.time_ns() - int(self.path[1:])
                self.send_response(204)
                self.end_headers()
                print(late / 1e6, flush=True)
            def log_message(self, *words):
                pass
        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 1024
        server = Server(("127.0.0.1", 0), Receiver)
        open(sys.argv[1], "w").write(str(server.server_address[1]))
        server.serve_forever()
        """

    static func run(_ lab: Lab) throws -> [BenchResult] {
        try lab.orch("deploy", "scheduler", "-q")
        defer { _ = try? lab.orch("rm", "scheduler", "-q") }
        for first in stride(from: 0, to: count, by: batch) {
            // All kinds, none of which is due while it is measured.
            try put(
                lab,
                (first..<first + batch).map { number in
                    let times =
                        switch number % 3 {
                        case 0: #""cron":"\#(number % 60) \#(number / 60 % 24) 29 2 *","time_zone":"Europe/Berlin""#
                        case 1: #""every":"\#(24 + number % 700)h""#
                        default: #""at":"2099-01-01T00:00:00Z""#
                        }
                    return #"{"name":"s\#(number)",\#(times),"action":"restart","module":"shop"}"#
                })
        }
        let pid =
            Int32(
                try lab.output(of: ["\(lab.programs)/orch", "instances", "scheduler", "-o", "json"])
                    .split(separator: "\n").first { $0.contains("\"pid\"") }?.filter(\.isNumber) ?? "") ?? 0
        sleep(5)
        let before = Benchmark.cpuSeconds(pid)
        sleep(UInt32(idleSeconds))
        let idle = (Benchmark.cpuSeconds(pid) - before) / Double(idleSeconds) * 100
        let late = try lateness(lab)
        return [
            BenchResult(
                name: "100,000 schedules, scheduler resident", value: Benchmark.residentMB(pid), unit: "MB",
                bar: .atMost(150)),
            BenchResult(name: "the same, idle, share of a core", value: idle, unit: "%", bar: .atMost(0.5)),
            BenchResult(
                name: "due time to its call, \(late.count) of \(acts): median", value: median(late), unit: "ms"),
            BenchResult(
                name: "the same, p99", value: late.sorted()[late.count * 99 / 100], unit: "ms", bar: .atMost(50)),
        ]
    }

    /// In milliseconds, each as it was seen by whoever is called.
    private static func lateness(_ lab: Lab) throws -> [Double] {
        let (script, port) = (try lab.write("receiver.py", receiver), "\(lab.folder)/receiver.port")
        let output = "\(lab.folder)/lateness"
        try lab.startPeer(["sh", "-c", "exec /usr/bin/python3 \(script) \(port) > \(output)"])
        try spin(limit: 10) { (try? Files.readText(port))?.isEmpty == false }
        let address = "http://127.0.0.1:\(try Files.readText(port))"
        let start = Timestamp.now() + .seconds(10)
        try put(
            lab,
            (0..<acts).map { number in
                let due = start + TimeSpan(nanoseconds: gap.nanoseconds * Int64(number))
                return
                    #"{"name":"act\#(number)","at":"\#(due)","action":"http","url":"\#(address)/\#(due.nanoseconds)"}"#
            })
        func lines() -> [Double] {
            ((try? Files.readText(output)) ?? "").split(separator: "\n").compactMap { Double($0) }
        }
        try spin(limit: 60) {
            usleep(200_000)
            return lines().count >= acts
        }
        return lines()
    }

    private static func put(_ lab: Lab, _ schedules: [String]) throws {
        let file = try lab.write("schedules.json", "[\(schedules.joined(separator: ","))]")
        let answer = try lab.output(of: [
            "curl", "-s", "-X", "PUT", "--unix-socket", AgentPaths.socket(in: lab.data), "--data-binary", "@\(file)",
            "-H", "content-type: application/json", "http://agent/v1/modules/scheduler/api/v1/schedules",
        ])
        guard answer.contains("\"set\":\(schedules.count)") else { throw OrchError(.failed, "not set: \(answer)") }
    }
}
