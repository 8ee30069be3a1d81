import Glibc
import OrchModel
import OrchSystem
import Testing

/// An engine of a test's own, on a private socket. ``withEngine(options:_:)`` takes all of it away again.
final class TestEngine: Sendable {
    enum Kind: String, CaseIterable { case docker, podman }

    let kind: Kind
    let folder: String
    private let options: [String]

    /// What has an agent use it, and Docker's command-line tool.
    var environment: [String: String] {
        ["DOCKER_HOST": "unix://\(socket)", "CONTAINER_HOST": "unix://\(socket)", "DOCKER_CONFIG": folder]
    }

    private var socket: String { "\(folder)/engine.sock" }

    private init(_ kind: Kind, options: [String]) {
        self.kind = kind
        var template = Array("/tmp/orch-engine-XXXXXX".utf8CString)
        folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        self.options = options
    }

    /// Starts an engine with the image `box`, in which there is only busybox, and an agent that uses it.
    static func withEngine(
        _ kind: Kind = .docker, options: [String] = [], agentOptions: [String] = [],
        _ body: (TestEngine, TestAgent) async throws -> Void
    ) async throws {
        let engine = TestEngine(kind, options: options)
        do {
            try await engine.start()
            try await engine.importImage("box")
            try await TestAgent.withAgent(options: agentOptions, environment: engine.environment) {
                try await body(engine, $0)
            }
        } catch {
            Issue.record("\(error)\n\(((try? Files.readText("\(engine.folder)/log")) ?? "").suffix(2000))")
        }
        await engine.end()
    }

    // MARK: The engine's process

    private var command: [String] {
        switch kind {
        case .docker:
            // Without rules for packets, which would stay behind: a port of a container is reached through the engine's own
            // proxy.
            [
                "dockerd", "--default-ulimit", "nofile=1024:1024", "--default-ulimit", "nproc=4096:4096", "-H",
                "unix://\(socket)", "--data-root", "\(folder)/data", "--exec-root", "\(folder)/exec", "--pidfile",
                "\(folder)/pid", "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false",
            ] + options
        case .podman:
            [
                "podman", "--root", "\(folder)/data", "--runroot", "\(folder)/exec", "--network-config-dir",
                "\(folder)/networks", "--tmpdir", "\(folder)/tmp", "system", "service", "--time=0", "unix://\(socket)",
            ]
        }
    }

    /// Of Podman: what it needs on a machine without systemd.
    private static let settings = """
        [engine]
        runtime = "runc"
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        [containers]
        default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
        """

    func start() async throws {
        let words = command
        try Files.replace("\(folder)/containers.conf", with: Self.settings)
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let log = try Descriptor(opening: "\(folder)/log", .append)
        var launch = ProgramLaunch(
            program: try Programs.find(words[0], path: path, in: folder), arguments: words,
            environment: ["PATH=\(path)", "HOME=\(folder)", "CONTAINERS_CONF=\(folder)/containers.conf"],
            workdir: folder)
        launch.stdio = (nil, log.number, log.number)
        let started = try launch.start()
        if kind == .podman { try Files.replace("\(folder)/pid", with: "\(started)") }
        let deadline = ContinuousClock.now + .seconds(60)
        while try await docker("version").status != 0 {
            try #require(ContinuousClock.now < deadline, "dockerd does not answer")
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private var pid: pid_t? { (try? Files.readText("\(folder)/pid")).flatMap { Int32($0.filter(\.isNumber)) } }

    /// Ends the engine, and waits until it is gone; what runs below it stays or goes as the engine is set to.
    func stop(_ signal: Int32 = SIGTERM) async throws {
        let pid = try #require(pid)
        kill(pid, signal)
        let isGone = await runBlocking(name: "wait") {
            let isGone = Programs.waitForEnd(of: pid, timeout: .seconds(30))
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            return isGone
        }
        try #require(isGone)
        Files.remove("\(folder)/pid")
    }

    private func end() async {
        // Another engine may have to be there to take away what one that was killed has left.
        if pid.map({ kill($0, 0) != 0 }) ?? true { try? await start() }
        _ = try? await shell("docker ps -aq | xargs -r docker rm -f; docker network prune -f")
        try? await stop()
        _ = try? await shell(
            "pkill -f '[/]\(folder.dropFirst())/exec'; grep -o '\(folder)[^ ]*' /proc/mounts | sort -r | xargs -r umount -l"
        )
        Files.removeTree(folder)
    }

    // MARK: Using it

    @discardableResult
    func docker(_ words: String...) async throws -> Outcome {
        try await TestAgent.execute(["docker"] + words, environment: environment, in: folder)
    }

    @discardableResult
    func shell(_ script: String) async throws -> Outcome {
        try await TestAgent.execute(["sh", "-c", script], environment: environment, in: folder)
    }

    /// An image with nothing in it but busybox and its applets, or without those: then there is no shell.
    ///
    /// - Parameter changes: as in a Dockerfile.
    func importImage(_ name: String, changes: [String] = [], hasShell: Bool = true) async throws {
        let links =
            hasShell ? "for a in sh sleep cat echo httpd id touch tail nc env; do ln -sf busybox $a; done" : "true"
        let options = changes.map { "--change '\($0)'" }.joined(separator: " ")
        let outcome = try await shell(
            """
            rm -rf root && mkdir -p root/bin root/tmp root/www root/etc && cp "$(command -v busybox)" root/bin/busybox \
            && (cd root/bin && \(links)) && echo hello > root/www/index.html && chmod 1777 root/tmp \
            && echo 'root:x:0:0::/:/bin/sh' > root/etc/passwd && tar -C root -c . | docker import \(options) - \(name)
            """)
        try #require(outcome.status == 0, "\(outcome)")
    }
}
