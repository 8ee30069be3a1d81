import FoundationEssentials
import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// The repository of artifacts, from a folder to what runs of it.
    @Suite(.serialized) struct Repository {
        /// A folder with a module that answers with its files.
        private static func shop(_ agent: TestAgent, version: String = "1", page: String = "<h1>one</h1>") throws
            -> String
        {
            let folder = "\(agent.folder)/shop"
            for sub in ["www", "config", "ui/static"] { try Files.makeFolder("\(folder)/\(sub)") }
            let module = """
                name: shop
                version: "\(version)"
                description: A shop
                command: [sh, serve.sh]
                ports: [{name: http}]
                health: {type: http, interval: 100ms}
                update: {monitor: 100ms}
                """
            try Files.replace("\(folder)/module.yaml", with: module)
            let program =
                "cp $ORCH_CONFIG_DIR/greeting.txt $ORCH_CONFIG_DIR/index.html\n"
                + "exec busybox httpd -f -p 127.0.0.1:$PORT -h $ORCH_CONFIG_DIR\n"
            try Files.replace("\(folder)/serve.sh", with: program)
            try Files.replace("\(folder)/config/greeting.txt", with: "version \(version) at ${PORT}\n")
            try Files.replace("\(folder)/ui/index.html", with: page)
            try Files.replace("\(folder)/ui/static/app.3f2a9c1b.js", with: "let x = 1")
            return folder
        }

        private static func content(_ agent: TestAgent) -> [String] {
            ["blobs/sha256", "uploads", "trees", "Downloads"].flatMap { name in
                Files.list("\(agent.data)/Repository/\(name)").map { "\(name)/\($0)" }
            }
        }

        private static func artifacts(_ agent: TestAgent) async throws -> [ArtifactView] {
            try await agent.orch("artifacts", "-o", "json").json()
        }

        @Test(.timeLimit(.minutes(2)))
        func `a folder is pushed, run, replaced, gone back to, and cleared away`() async throws {
            try await TestAgent.withAgent { agent in
                let folder = try Self.shop(agent)
                let push = try await agent.orch("push", folder)
                #expect(push.status == 0, "\(push)")
                #expect(push.output.hasPrefix("pushed shop:1  bundle"))
                #expect(try await agent.orch("deploy", "shop").status == 0)
                let address = try await agent.address("shop")
                let port = try #require(try await agent.instance("shop").ports["http"])
                #expect(try await agent.run(["curl", "-sf", address]).output == "version 1 at \(port)\n")

                // The same version with other content is refused, and named otherwise it is not.
                _ = try Self.shop(agent, version: "1", page: "<h1>two</h1>")
                #expect(try await agent.orch("push", folder).status == 6)
                #expect(try await agent.orch("push", folder, "--version", "2").status == 0)
                #expect(try await agent.orch("deploy", "shop").status == 0)
                #expect(try await agent.instance("shop").version == "2")
                #expect(try await agent.run(["curl", "-sf", "\(address)/ui/"]).output == "<h1>two</h1>")

                #expect(try await agent.orch("rm", "--artifact", "shop:1").status == 6)
                #expect(try await agent.orch("prune", "--older-than", "0s").status == 0)
                #expect(try await agent.orch("rollback", "shop").status == 0)
                #expect(try await agent.run(["curl", "-sf", "\(address)/ui/"]).output == "<h1>one</h1>")
                #expect(try await agent.orch("deploy", "shop:2").status == 0)
                let unknown = try await agent.orch("deploy", "shop:9")
                #expect(unknown.status == 3)
                #expect(unknown.errors.contains("there are 2, 1"))

                #expect(try await agent.orch("rm", "shop").status == 0)
                for version in ["1", "2"] {
                    #expect(try await agent.orch("rm", "--artifact", "shop:\(version)").status == 0)
                }
                // What has just come might still be named by somebody; after that nothing is left.
                try await agent.eventually("nothing is left") {
                    _ = try await agent.orch("prune", "--older-than", "0s")
                    return Self.content(agent).allSatisfy { $0.hasPrefix("trees/") }
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `web pages come from the load balancer with types and caching`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("push", Self.shop(agent)).status == 0)
                #expect(try await agent.orch("deploy", "shop").status == 0)
                let pages = try await agent.address("shop") + "/ui"
                func head(_ path: String, _ options: String...) async throws -> String {
                    try await agent.run(["curl", "-sI", "\(pages)\(path)", "--path-as-is"] + options).output
                        .lowercased()
                }
                #expect(try await head("").contains("location: /ui/\r\n"))
                let page = try await head("/")
                #expect(page.contains("content-type: text/html; charset=utf-8"))
                #expect(page.contains("cache-control: no-cache"))
                let tag = try #require(page.split(separator: "\r\n").first { $0.hasPrefix("etag: ") }?.dropFirst(6))
                #expect(try await head("/index.html", "-H", "If-None-Match: \(tag)").hasPrefix("http/1.1 304"))
                let script = try await head("/static/app.3f2a9c1b.js")
                #expect(script.contains("content-type: text/javascript"))
                #expect(script.contains("immutable"))
                for path in ["/nothing", "/../module.yaml", "/%2e%2e/module.yaml", "/..%2fmodule.yaml"] {
                    #expect(try await head(path).hasPrefix("http/1.1 404"), "\(path)")
                }
                let post = try await agent.run([
                    "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x", "\(pages)/",
                ])
                #expect(post.output == "405")
                // Other paths are the service's own.
                #expect(
                    try await agent.run(["curl", "-s", "\(pages)x", "-o", "/dev/null", "-w", "%{http_code}"]).output
                        == "404")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `archives, module files and other files come back as they were`() async throws {
            try await TestAgent.withAgent { agent in
                let folder = try Self.shop(agent)
                let pack = try await agent.run(["tar", "-C", folder, "-czf", "\(agent.folder)/shop.tgz", "."])
                #expect(pack.status == 0)
                #expect(try await agent.orch("push", "\(agent.folder)/shop.tgz").status == 0)
                let piped = try await agent.run([
                    "sh", "-c",
                    "\(TestAgent.programs)/orch --data-dir \(agent.data) push - -v piped < \(agent.folder)/shop.tgz",
                ])
                #expect(piped.status == 0, "\(piped)")
                #expect(try await agent.orch("pull", "shop:piped", "-f", "back.tgz").status == 0)
                #expect(try Files.read("\(agent.folder)/back.tgz") == Files.read("\(agent.folder)/shop.tgz"))

                let job = try agent.module("job", "command: [echo, done]\nrestart: {policy: never}")
                #expect(try await agent.orch("push", job).status == 0)
                #expect(try await agent.orch("deploy", "job").status == 0)

                try Files.replace("\(agent.folder)/my report.txt", with: "0123456789")
                #expect(try await agent.orch("push", "\(agent.folder)/my report.txt", "-v", "3").status == 0)
                let url = "http://agent/v1/downloads/my%20report-3.txt"
                func curl(_ options: String...) async throws -> String {
                    try await agent.run(["curl", "-s", "--unix-socket", "\(agent.data)/orch.sock", url] + options)
                        .output
                }
                #expect(try await curl() == "0123456789")
                #expect(try await curl("-r", "2-4") == "234")
                #expect(try await curl("-r", "-3") == "789")
                let part = try await curl("-r", "8-", "-i")
                #expect(part.contains("206 Partial Content"))
                #expect(part.contains("Content-Range: bytes 8-9/10"))
                #expect(part.contains("Content-Type: text/plain"))
                #expect(try await curl("-r", "10-", "-i").contains("416"))
                let tag = try #require(part.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }?.dropFirst(6))
                #expect(try await curl("-H", "If-None-Match: \(tag)", "-i").contains("304"))
                #expect(try await curl("-r", "2-4", "-H", "If-Range: \"other\"") == "0123456789")
                #expect(try Files.readText("\(agent.data)/Repository/Downloads/my report-3.txt") == "0123456789")
                // The shared folder: what lies there is downloaded by its name.
                try Files.replace("\(agent.data)/Repository/Downloads/notes.txt", with: "by hand")
                let outline = "http://agent/v1/download/notes.txt"
                #expect(
                    try await agent.run(["curl", "-s", "--unix-socket", "\(agent.data)/orch.sock", outline]).output
                        == "by hand")
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func `archives that must not be unpacked are refused with a reason, and nothing is left`() async throws {
            try await TestAgent.withAgent(options: ["--artifact-size", "64M"]) { agent in
                let archives = "\(agent.folder)/archives"
                try Files.makeFolder(archives)
                let program =
                    #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs/archives.py"
                let made = try await agent.run(["python3", program, archives])
                try #require(made.status == 0, "\(made)")
                let reasons = [
                    "traversal": "outside of the bundle", "absolute": "an absolute path",
                    "link-out": "outside of the bundle",
                    "link-chain": "outside of the bundle", "hard-link": "outside of the bundle", "device": "a device",
                    "block": "a device", "pipe": "a pipe", "twice": "twice", "bomb": "--artifact-size",
                    "cut": "no valid archive", "garbled": "no valid archive",
                ]
                #expect(Set(Files.list(archives)) == Set(reasons.keys.map { $0 + ".tar" }))
                for (name, reason) in reasons {
                    let push = try await agent.orch("push", "\(archives)/\(name).tar")
                    #expect(push.status == 2, "\(name): \(push)")
                    #expect(push.errors.contains(reason), "\(name): \(push)")
                }
                try Files.replace("\(agent.folder)/zeros", with: "")
                truncate("\(agent.folder)/zeros", 65 << 20)
                let large = try await agent.orch("push", "\(agent.folder)/zeros")
                #expect(large.status == 2)
                #expect(large.errors.contains("--artifact-size"))

                let wrong = try agent.module("wrong", "comand: [x]")
                let push = try await agent.orch("push", wrong)
                #expect(push.status == 2)
                #expect(push.errors.contains("module.yaml:2:1"), "\(push)")
                #expect(Self.content(agent) == [])
                #expect(!Files.exists("/tmp/escaped"))
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func `a push goes on after the agent was killed and the connection broke`() async throws {
            try await TestAgent.withAgent { agent in
                let file = "\(agent.folder)/large.bin"
                let fill = try await agent.run(["sh", "-c", "head -c 400000000 /dev/urandom > \(file)"])
                try #require(fill.status == 0)
                for _ in 0..<3 {
                    let pushing = try agent.start(
                        ["\(TestAgent.programs)/orch", "--data-dir", agent.data, "push", file, "-v", "1"],
                        output: "\(agent.folder)/push.out")
                    let uploads = "\(agent.data)/Repository/uploads"
                    try await agent.eventually("some of it has come") {
                        Files.list(uploads).contains { Files.size("\(uploads)/\($0)") ?? 0 > 20_000_000 }
                    }
                    try await agent.killAgent()
                    try await agent.bootstrap()
                    var status: Int32 = 0
                    let isOver = await runBlocking(name: "wait") {
                        Programs.waitForEnd(of: pushing, timeout: .seconds(60))
                    }
                    try #require(isOver)
                    waitpid(pushing, &status, 0)
                    let output = try Files.readText("\(agent.folder)/push.out")
                    #expect(status == 0, "\(output)")
                    #expect(Files.list(uploads).isEmpty)
                    let sizes = try await Self.artifacts(agent).map(\.size)
                    #expect(sizes == [400_000_000])
                    #expect(try await agent.orch("pull", "large.bin", "-f", "back.bin").status == 0)
                    #expect(try await agent.run(["cmp", file, "back.bin"]).status == 0)
                    #expect(try await agent.orch("rm", "--artifact", "large.bin").status == 0)
                    #expect(try await agent.orch("prune", "--older-than", "0s").status == 0)
                    try await agent.eventually("its content is gone") {
                        _ = try await agent.orch("prune", "--older-than", "0s")
                        return Files.list("\(agent.data)/Repository/blobs/sha256").isEmpty
                    }
                }
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `a full disk refuses a push, and takes it when there is room`() async throws {
            try await TestAgent.withoutAgent { agent in
                try Files.makeFolder(agent.data)
                try #require(
                    try await agent.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", agent.data]).status == 0)
                do {
                    try await agent.bootstrap()
                    let file = "\(agent.folder)/large.bin"
                    try #require(
                        try await agent.run(["sh", "-c", "head -c 150000000 /dev/urandom > \(file)"]).status == 0)
                    let push = try await agent.orch("push", file)
                    #expect(push.status == 1)
                    #expect(push.errors.contains("disk is full"), "\(push)")
                    #expect(Self.content(agent) == [])
                    // Nearly full is told, and also that it is no more.
                    let filler = "\(agent.data)/filler"
                    let room = "$(df --output=avail -B1 \(agent.data) | tail -1)"
                    _ = try await agent.run(["sh", "-c", "head -c $((\(room) - 2000000)) /dev/zero > \(filler)"])
                    func events() async throws -> String { try await agent.orch("events", "-n", "100").output }
                    try await agent.eventually("somebody is told") { try await events().contains("disk.low") }
                    Files.remove(filler)
                    try await agent.eventually("that is over") { try await events().contains("disk.enough") }
                    truncate(file, 30_000_000)
                    #expect(try await agent.orch("push", file).status == 0)
                } catch {
                    Issue.record("\(error)")
                }
                _ = try await agent.orch("shutdown", "--stop-instances")
                #expect(try await agent.run(["umount", agent.data]).status == 0)
            }
        }

        @Test(.timeLimit(.minutes(1)))
        func `instances are told where other services are`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("push", Self.shop(agent)).status == 0)
                #expect(try await agent.orch("deploy", "shop").status == 0)
                let address = try await agent.address("shop")
                let client = try agent.module("client", "command: [sh, -c, 'echo $ORCH_SERVICE_SHOP_URL; sleep 1000']")
                #expect(try await agent.deploy(client).status == 0)
                let lines = try await agent.logLines("client", "-n", "1")
                #expect(lines.first?.line == address)
                let document = try Files.readText("\(agent.data)/Repository/initiate_server.json")
                #expect(document.contains("\"shop\""))
            }
        }
    }
}
