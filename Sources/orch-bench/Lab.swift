import Glibc
import OrchModel
import OrchSystem

/// Where measuring happens: a folder of its own, an agent, and the peers, all of which go again.
final class Lab {
    let folder: String
    private var peers: [pid_t] = []
    private(set) var agentPID: pid_t = 0
    let programs = Files.parent(of: Files.ownProgram)

    var data: String { "\(folder)/data" }
    var docker: [String] { ["docker", "-H", "unix://\(folder)/docker.sock"] }

    init() throws {
        guard geteuid() == 0 else { throw OrchError(.notAllowed, "the peers need root") }
        var template = Array("/tmp/orch-bench-XXXXXX".utf8CString)
        folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        try startAgent()
    }

    func tearDown() {
        _ = try? orch("shutdown", "--stop-instances", "--timeout", "60s")
        for peer in peers.reversed() {
            kill(peer, SIGTERM)
            if !Programs.waitForEnd(of: peer, timeout: .seconds(20)) { kill(peer, SIGKILL) }
            var status: Int32 = 0
            waitpid(peer, &status, 0)
        }
        // Docker leaves mounts below its folders.
        _ = try? run(["sh", "-c", "grep -o '\(folder)[^ ]*' /proc/mounts | sort -r | xargs -r umount -l"])
        Files.removeTree(folder)
    }

    // MARK: Programs

    /// Runs a program to its end.
    ///
    /// - Throws: when it fails.
    @discardableResult
    func run(_ words: [String]) throws -> Double {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
        let program = try Programs.find(words[0], path: path, in: folder)
        let log = try Descriptor(opening: "\(folder)/log", .append)
        var launch = ProgramLaunch(
            program: program, arguments: words,
            environment: [
                "PATH=\(path)", "HOME=\(folder)", "ORCH_DATA_DIR=\(data)", "DOCKER_HOST=unix://\(folder)/docker.sock",
            ], workdir: folder)
        launch.stdio = (nil, log.number, log.number)
        let start = ContinuousClock.now
        guard let status = try launch.run(timeout: .seconds(180)), status == 0 else {
            throw OrchError(
                .failed,
                "\(words.joined(separator: " ")) failed: \((try? Files.readText("\(folder)/log").suffix(500)) ?? "")")
        }
        return seconds(since: start) * 1000
    }

    @discardableResult
    func orch(_ words: String...) throws -> Double { try run(["\(programs)/orch"] + words) }

    /// Starts a peer that ends with the lab.
    @discardableResult
    func startPeer(_ words: [String]) throws -> pid_t {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
        let log = try Descriptor(opening: "\(folder)/peer.log", .append)
        var launch = ProgramLaunch(
            program: try Programs.find(words[0], path: path, in: folder), arguments: words,
            environment: ["PATH=\(path)", "HOME=\(folder)"], workdir: folder)
        launch.stdio = (nil, log.number, log.number)
        let peer = try launch.start()
        peers.append(peer)
        return peer
    }

    /// Runs a program to its end and gives what it prints.
    func output(of words: [String]) throws -> String {
        let path = "\(folder)/output"
        try run(["sh", "-c", "\"$@\" > \(path)", "sh"] + words)
        return try Files.readText(path)
    }

    /// Runs a program until it prints something, and ends it.
    ///
    /// - Returns: milliseconds from its start to the first byte.
    func timeToOutput(_ words: [String]) throws -> Double {
        let start = ContinuousClock.now
        var first = 0.0
        _ = try readLines(words, count: 1) { _ in
            if first == 0 { first = seconds(since: start) * 1000 }
            return 0
        }
        return first
    }

    /// Runs a program until it has printed so many lines, and ends it.
    ///
    /// - Parameter body: gets each as it comes.
    func readLines(_ words: [String], count: Int, _ body: (Substring) -> Double) throws -> [Double] {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw OrchError(.failed, "there is no pipe") }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
        var launch = ProgramLaunch(
            program: try Programs.find(words[0], path: path, in: folder), arguments: words,
            environment: ["PATH=\(path)", "HOME=\(folder)", "ORCH_DATA_DIR=\(data)"], workdir: folder)
        launch.stdio = (nil, ends[1], nil)
        let pid = try launch.start()
        close(ends[1])
        let output = Descriptor(owning: ends[0])
        var values: [Double] = []
        var rest = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while values.count < count {
            let got = try output.read(into: &buffer)
            guard got > 0 else { break }
            rest += String(decoding: buffer[..<got], as: UTF8.self)
            while let newline = rest.firstIndex(of: "\n") {
                values.append(body(rest[..<newline]))
                rest = String(rest[rest.index(after: newline)...])
            }
        }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        guard values.count >= count else {
            throw OrchError(.failed, "\(words.joined(separator: " ")) printed \(values.count) of \(count) lines")
        }
        return values
    }

    /// Ends one peer now.
    func endPeer(_ pid: pid_t) {
        kill(pid, SIGTERM)
        if !Programs.waitForEnd(of: pid, timeout: .seconds(10)) { kill(pid, SIGKILL) }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        peers.removeAll { $0 == pid }
    }

    func write(_ name: String, _ text: String) throws -> String {
        let path = "\(folder)/\(name)"
        try Files.replace(path, with: Array(text.utf8), mode: 0o644)
        return path
    }

    // MARK: The agent

    /// - Parameter core: the one that it may use; `nil` for all.
    func startAgent(core: Int? = nil, options: [String] = []) throws {
        let pinned = core.map { ["taskset", "-c", "\($0)"] } ?? []
        try run(pinned + ["\(programs)/orch", "bootstrap", "-q"] + options)
        agentPID = Int32((try Files.readText(AgentPaths.lock(in: data))).filter(\.isNumber)) ?? 0
    }

    /// Ends it and its instances, and starts another one.
    func restartAgent(core: Int? = nil, options: [String] = []) throws {
        try orch("shutdown", "--stop-instances", "--timeout", "60s")
        try startAgent(core: core, options: options)
    }

    // MARK: A broker in a process of its own

    var brokerData: String { "\(folder)/broker" }
    private(set) var brokerPID: pid_t = 0

    /// Starts a second agent, of which only the broker is used.
    ///
    /// - Returns: its address.
    func startBroker(options: [String] = []) throws -> String {
        try run(["\(programs)/orch", "--data-dir", brokerData, "bootstrap", "-q"] + options)
        brokerPID = Int32((try Files.readText(AgentPaths.lock(in: brokerData))).filter(\.isNumber)) ?? 0
        return try address(brokerData)
    }

    func stopBroker() {
        _ = try? run(["\(programs)/orch", "--data-dir", brokerData, "shutdown", "--stop-instances"])
        Files.removeTree(brokerData)
    }

    /// The embedded broker of the lab's agent.
    func brokerAddress() throws -> String { try address(data) }

    private func address(_ data: String) throws -> String {
        "127.0.0.1:\(try Files.readText(AgentPaths.brokerPort(in: data)).filter(\.isNumber))"
    }

    /// Ends the agent as a crash would.
    func killAgent() {
        kill(agentPID, SIGKILL)
        _ = Programs.waitForEnd(of: agentPID, timeout: .seconds(10))
    }

    /// The pids of an instance's program, by the shims of this lab: their children.
    func instancePIDs() -> Set<pid_t> {
        Set(
            shims().flatMap { shim in
                ((try? Files.readText("/proc/\(shim)/task/\(shim)/children")) ?? "").split(separator: " ").compactMap {
                    pid_t($0)
                }
            })
    }

    func shims() -> [pid_t] {
        Files.list("/proc").compactMap { pid_t($0) }.filter {
            Files.canonical("/proc/\($0)/cwd")?.hasPrefix("\(data)/instances/") ?? false
        }
        .filter { ((try? Files.readText("/proc/\($0)/cmdline")) ?? "").hasPrefix("orch-shim") }
    }

    // MARK: Docker

    private var hasDocker = false

    /// Starts a dockerd of our own with an image that holds busybox and nothing else.
    func startDocker() throws {
        guard !hasDocker else { return }
        hasDocker = true
        try startPeer([
            "dockerd", "--default-ulimit", "nofile=1024:1024", "--default-ulimit", "nproc=4096:4096", "-H",
            "unix://\(folder)/docker.sock",
            "--data-root", "\(folder)/docker", "--exec-root", "\(folder)/docker-exec", "--pidfile",
            "\(folder)/docker.pid",
        ])
        let deadline = ContinuousClock.now + .seconds(60)
        while (try? run(docker + ["version"])) == nil {
            guard ContinuousClock.now < deadline else {
                throw OrchError(.timedOut, "dockerd does not answer; \(folder)/peer.log tells why")
            }
            usleep(100_000)
        }
        try run([
            "sh", "-c",
            "mkdir -p rootfs/bin rootfs/tmp && cp $(command -v busybox) rootfs/bin/busybox && tar -C rootfs -c . | \(docker.joined(separator: " ")) import - bench",
        ])
    }
}

func seconds(since start: ContinuousClock.Instant) -> Double {
    let parts = (ContinuousClock.now - start).components
    return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
}

/// Looks again and again, without a pause, for at most `limit` seconds.
func spin(limit: Double, until condition: () -> Bool) throws {
    let start = ContinuousClock.now
    while !condition() {
        guard seconds(since: start) < limit else { throw OrchError(.timedOut, "nothing happened for \(limit) s") }
    }
}
