import Glibc
import OrchModel
import OrchSystem

/// How fast what a program prints is on disk, line by line with its time, against
/// `cat` from a pipe into a file and against supervisord.
enum CaptureBenchmark {
    private static let rounds = 5
    private static let size = 200 << 20

    static func run(_ lab: Lab) throws -> [BenchResult] {
        let lines = try LogLines.file(lab, bytes: size)
        var ours: [Double] = []
        var copy: [Double] = []
        var theirs: [Double] = []
        for round in 0..<rounds {
            copy.append(try rate { _ = try lab.run(["sh", "-c", "cat \(lines) | cat > copy"]) })
            Files.remove("\(lab.folder)/copy")
            ours.append(try capture(lab, lines, round))
            theirs.append(try supervisord(lab, lines, round))
        }
        return [
            BenchResult(
                name: "capture of 200 MB", value: median(ours), unit: "MB/s", peer: ("| cat > file", median(copy)),
                bar: .atLeast(0.6)),
            BenchResult(
                name: "capture of 200 MB", value: median(ours), unit: "MB/s", peer: ("supervisord", median(theirs)),
                bar: .atLeast(1)),
        ]
    }

    private static func rate(_ body: () throws -> Void) throws -> Double {
        let start = ContinuousClock.now
        try body()
        return Double(size) / 1e6 / seconds(since: start)
    }

    /// A shim by itself, as the agent starts it; it ends when its program has.
    private static func capture(_ lab: Lab, _ lines: String, _ round: Int) throws -> Double {
        let folder = "\(lab.folder)/capture-\(round)"
        try Files.makeFolder(folder)
        defer { Files.removeTree(folder) }
        let plan = [
            "program", "/bin/cat", "arg", "cat", "arg", lines, "env", "PATH=/bin", "workdir", "/", "spool",
            "2000000000",
            "segment", "8388608", "when_full", "block",
        ]
        try Files.replace("\(folder)/launch", with: plan.map { $0 + "\0" }.joined())
        return try rate { try lab.run(["sh", "-c", "cd \(folder) && exec \(Files.sibling("orch-shim")) bench"]) }
    }

    private static func supervisord(_ lab: Lab, _ lines: String, _ round: Int) throws -> Double {
        let log = "\(lab.folder)/supervised-\(round)"
        let configuration = try Benchmark.supervisorConfiguration(
            lab,
            """
            [program:copy]
            command=cat \(lines)
            autostart=false
            autorestart=false
            startsecs=0
            stdout_logfile=\(log)
            stdout_logfile_maxbytes=0
            """)
        let pid = try lab.startPeer(["supervisord", "-c", configuration])
        let control = ["supervisorctl", "-c", configuration]
        let deadline = ContinuousClock.now + .seconds(20)
        while (try? lab.run(control + ["pid"])) == nil, ContinuousClock.now < deadline { usleep(50_000) }
        let start = ContinuousClock.now
        try lab.run(control + ["start", "copy"])
        try spin(limit: 60) { Files.size(log) ?? 0 >= Int64(size) }
        let speed = Double(size) / 1e6 / seconds(since: start)
        try lab.run(control + ["shutdown"])
        _ = Programs.waitForEnd(of: pid, timeout: .seconds(20))
        Files.remove(log)
        return speed
    }
}

/// Lines of 200 bytes, as programs print them.
enum LogLines {
    static let size = 200

    /// A file of so many bytes of them, made once.
    static func file(_ lab: Lab, bytes: Int) throws -> String {
        let path = "\(lab.folder)/lines-\(bytes)"
        if Files.size(path) == Int64(bytes / size * size) { return path }
        let file = try Descriptor(opening: path, .create)
        var block: [UInt8] = []
        for number in 0..<bytes / size {
            block += line(number)
            if block.count >= 4 << 20 {
                try file.write(block)
                block.removeAll(keepingCapacity: true)
            }
        }
        try file.write(block)
        return path
    }

    /// With its end.
    static func line(_ number: Int) -> [UInt8] {
        let text =
            "INFO request \(number) from 10.0.\(number % 250).\(number % 199) served user=\(number &* 2_654_435_761 % 100_000) path=/api/v1/items/\(number % 9973) ms=\(number % 97)"
        return Array(text.utf8) + [UInt8](repeating: UInt8(ascii: "."), count: size - 1 - text.utf8.count) + [10]
    }
}
