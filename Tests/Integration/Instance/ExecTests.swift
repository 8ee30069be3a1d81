import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// Commands and files within instances, of every runtime.
    @Suite(.serialized) struct Exec {
        enum Runtime: String, CaseIterable { case process, docker, podman }

        /// An agent with the service `box`, which sleeps.
        private static func withBox(_ runtime: Runtime, _ body: (TestAgent) async throws -> Void) async throws {
            let stop = "stop: {grace: 200ms}\nenv: {GREETING: hello}"
            switch runtime {
            case .process:
                try await TestAgent.withAgent { agent in
                    #expect(
                        try await agent.deploy(agent.module("box", "command: [sleep, '1000']\n\(stop)")).status == 0)
                    try await body(agent)
                }
            case .docker, .podman:
                try await TestEngine.withEngine(runtime == .docker ? .docker : .podman) { _, agent in
                    let module = "runtime: \(runtime)\nimage: box\ncommand: [sleep, '1000']\n\(stop)"
                    #expect(try await agent.deploy(agent.module("box", module)).status == 0)
                    try await body(agent)
                }
            }
        }

        private static let program =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs/terminal.py"

        @Test(.timeLimit(.minutes(3)), arguments: Runtime.allCases)
        func `a command has its own output, input, environment and status`(runtime: Runtime) async throws {
            try await Self.withBox(runtime) { agent in
                let both = try await agent.orch("exec", "box", "--", "sh", "-c", "echo $GREETING; echo oh >&2; exit 7")
                #expect(both.status == 7)
                #expect(both.output == "hello\n")
                #expect(both.errors == "oh\n")
                #expect(try await agent.orch("exec", "box", "--", "sh", "-c", "kill -9 $$").status == 137)
                #expect(try await agent.orch("exec", "box", "--", "no-such-program").status / 126 == 1)
                #expect(try await agent.orch("exec", "nothing", "--", "true").status == 3)

                let large = "\(agent.folder)/large"
                _ = try await agent.run(["sh", "-c", "head -c 20000000 /dev/urandom > \(large)"])
                let echoed = try await agent.run([
                    "sh", "-c",
                    "\(TestAgent.programs)/orch --data-dir \(agent.data) exec -i box -- cat < \(large) | cmp - \(large)",
                ])
                #expect(echoed.status == 0, "\(echoed)")
                // Without -i it gets nothing, and takes nothing from a script's own input.
                let script =
                    "printf 'a\\nb\\n' | while read x; do \(TestAgent.programs)/orch --data-dir \(agent.data) exec box -- cat; echo $x; done"
                #expect(try await agent.run(["sh", "-c", script]).output == "a\nb\n")

                // Whoever is slow to read gets all of it, though the command has ended long ago.
                let slow = try await agent.run([
                    "sh", "-c",
                    "\(TestAgent.programs)/orch --data-dir \(agent.data) exec box -- busybox head -c 8000000 /dev/zero | (sleep 2; wc -c)",
                ])
                #expect(slow.output.trimmed == "8000000", "\(slow)")

                #expect(try await agent.orch("stop", "box").status == 0)
                #expect(try await agent.orch("exec", "box", "--", "true").status == 125)
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: Runtime.allCases)
        func `a terminal has its size, follows it, and hands keys on`(runtime: Runtime) async throws {
            try await Self.withBox(runtime) { agent in
                let shell = try await agent.run([
                    "python3", Self.program, "\(TestAgent.programs)/orch", "--data-dir", agent.data, "exec", "box",
                    "--",
                    "sh",
                ])
                #expect(shell.status == 5, "\(shell)")
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: Runtime.allCases)
        func `a command ends with whoever asked for it`(runtime: Runtime) async throws {
            try await Self.withBox(runtime) { agent in
                let mark = "98765\(UInt32.random(in: 10...99))"
                func isThere() -> Bool {
                    Files.list("/proc").contains { pid in
                        (try? Files.read("/proc/\(pid)/cmdline"))?.elementsEqual("sleep\0\(mark)\0".utf8) == true
                    }
                }
                let asking = try agent.start(
                    ["\(TestAgent.programs)/orch", "--data-dir", agent.data, "exec", "box", "--", "sleep", mark],
                    output: "\(agent.folder)/exec.out")
                try await agent.eventually("the command runs") { isThere() }
                agent.end(asking)
                try await agent.eventually("the command is gone") { !isThere() }
                // What a command leaves behind on purpose stays.
                let script = "sleep \(mark) >/dev/null 2>&1 </dev/null & echo begun"
                #expect(try await agent.orch("exec", "box", "--", "sh", "-c", script).output == "begun\n")
                #expect(isThere())
                _ = try await agent.run(["pkill", "-f", "sleep \(mark)"])
                #expect(try await agent.instance("box").state.isUp)
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: Runtime.allCases)
        func `files and folders are copied both ways`(runtime: Runtime) async throws {
            try await Self.withBox(runtime) { agent in
                let inner = runtime == .process ? "\(agent.folder)/inner" : "/tmp"
                if runtime == .process { try Files.makeFolder(inner) }
                let tree = "\(agent.folder)/tree"
                try Files.makeFolder("\(tree)/a/b")
                try Files.replace("\(tree)/a/b/file", with: "content")
                try Files.link("\(tree)/link", to: "a/b/file")
                chmod("\(tree)/a/b/file", 0o750)

                #expect(try await agent.orch("cp", tree, "box:\(inner)").status == 0)
                #expect(try await agent.orch("cp", "\(tree)/a/b/file", "box:\(inner)/renamed").status == 0)
                let seen = try await agent.orch("exec", "box", "--", "cat", "\(inner)/tree/link", "\(inner)/renamed")
                #expect(seen.output == "contentcontent", "\(seen)")

                let back = "\(agent.folder)/back"
                #expect(try await agent.orch("cp", "box:\(inner)/tree", back).status == 0)
                #expect(try Files.readText("\(back)/a/b/file") == "content")
                #expect(Files.linkTarget("\(back)/link") == "a/b/file")
                var status = stat()
                #expect(stat("\(back)/a/b/file", &status) == 0 && status.st_mode & 0o777 == 0o750)
                try Files.makeFolder("\(agent.folder)/into")
                #expect(try await agent.orch("cp", "box:\(inner)/renamed", "\(agent.folder)/into").status == 0)
                #expect(try Files.readText("\(agent.folder)/into/renamed") == "content")

                #expect(try await agent.orch("cp", "box:\(inner)/nothing", back).status == 3)
                #expect(try await agent.orch("cp", "\(tree)/nothing", "box:\(inner)").status == 3)
                #expect(try await agent.orch("cp", tree, "box:\(inner)/no/such/folder").status == 3)
                #expect(try await agent.orch("cp", tree, back).status == 2)
                #expect(!Files.list(agent.folder).contains { $0.hasPrefix(".orch-cp") })
            }
        }
    }
}
