import Glibc
import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct SchedulerModule {
        @Test(.timeLimit(.minutes(2))) func `schedules of file and API act on modules, and are kept over a restart`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                        .status == 0)
                let configuration = "\(agent.folder)/schedules.yaml"
                try Files.replace(
                    configuration,
                    with:
                        "schedules:\n  - {name: nightly, cron: '0 3 * * *', time_zone: Europe/Berlin, action: stop, module: sleeper}\n"
                )
                #expect(try await agent.deploy("scheduler", "-e", "SCHEDULER_CONFIG=\(configuration)").status == 0)
                func api(_ words: String...) async throws -> String {
                    let place = "http://agent/v1/modules/scheduler/api\(words.last ?? "")"
                    let socket = ["--unix-socket", AgentPaths.socket(in: agent.data), place]
                    return try await agent.run(["curl", "-s"] + words.dropLast() + socket).output
                }
                let port = try #require(try await agent.instance("scheduler").ports["http"])
                let refused = try await agent.run(["curl", "-s", "http://127.0.0.1:\(port)/v1/schedules"])
                #expect(refused.output.contains("not_allowed"), "\(refused)")
                #expect(try await api("/v1/schedules").contains("nightly"))
                let before = try await agent.instance("sleeper").id
                let put = try await api(
                    "-X", "PUT", "-d", #"{"name":"often","every":"1s","action":"restart","module":"sleeper"}"#,
                    "/v1/schedules/often")
                #expect(put.contains("often"), "\(put)")
                try await agent.eventually("the module was restarted") {
                    try await agent.instance("sleeper").id != before
                }
                #expect(
                    try await api(
                        "-X", "PUT", "-d", #"{"name":"bad","cron":"61 * * * *","action":"restart","module":"sleeper"}"#,
                        "/v1/schedules/bad"
                    ).contains("minute"))
                #expect(try await agent.orch("restart", "scheduler").status == 0)
                let kept = try await api("/v1/schedules")
                #expect(kept.contains("nightly") && kept.contains("often"))
                #expect(try await api("-X", "DELETE", "/v1/schedules/often").contains("removed"))
                #expect(try await api("/v1/schedules").contains("often") == false)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `schedules are set, shown, paused and run from the command line`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let missing = try await agent.orch("schedule", "ls")
                #expect(missing.status == 3)
                #expect(missing.errors.contains("orch deploy scheduler"), "\(missing)")
                #expect(try await agent.orch("deploy", "scheduler").status == 0)
                let module = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(module).status == 0)

                let words = ["schedule", "add", "yearly", "--cron", "0 12 25 12 *", "--time-zone", "Europe/Berlin"]
                let dry = try await agent.orch(words + ["--restart", "sleeper", "--dry-run", "-o", "name"])
                #expect(dry.status == 0, "\(dry)")
                #expect(dry.lines.count == 10)
                #expect(dry.lines.first?.hasSuffix("-12-25T11:00:00Z") == true)
                #expect(try await agent.orch("schedule", "ls", "-o", "name").output.isEmpty)
                #expect(try await agent.orch(words + ["--restart", "sleeper"]).status == 0)
                #expect(try await agent.orch("schedule", "next", "yearly", "-n", "3", "-o", "name").lines.count == 3)
                #expect(try await agent.orch(words).status == 2)
                let wrong = try await agent.orch("schedule", "add", "x", "--cron", "61 * * * *", "--stop", "sleeper")
                #expect(wrong.status == 2)
                #expect(wrong.errors.contains("minute"), "\(wrong)")

                let before = try await agent.instance("sleeper").id
                #expect(try await agent.orch("schedule", "run", "yearly").status == 0)
                #expect(try await agent.orch("schedule", "history", "yearly").output.contains("done"))
                #expect(try await agent.orch("schedule", "show", "yearly").output.contains("time_zone: Europe/Berlin"))
                try await agent.eventually("the module was restarted") {
                    try await agent.instance("sleeper").id != before
                }
                // Nobody listens there, which is known at once.
                let call = ["schedule", "add", "call", "--every", "24h", "--call", "http://127.0.0.1:1/?key=sesame"]
                #expect(try await agent.orch(call).status == 0)
                let unanswered = try await agent.orch("schedule", "run", "call", timeout: .seconds(5))
                #expect(unanswered.errors.contains("http://127.0.0.1:1/ does not answer"), "\(unanswered)")
                #expect(try await !agent.orch("logs", "--topic", "Scheduler").output.contains("sesame"))
                #expect(try await agent.orch("schedule", "pause", "yearly").status == 0)
                // Whoever changes it does not resume it.
                #expect(try await agent.orch(words + ["--stop", "sleeper"]).status == 0)
                #expect(try await agent.orch("restart", "scheduler").status == 0)
                #expect(try await agent.orch("schedule", "ls").output.contains("paused"))
                #expect(try await agent.orch("schedule", "resume", "yearly").status == 0)
                #expect(try await !agent.orch("schedule", "ls").output.contains("paused"))
                #expect(try await agent.orch("schedule", "rm", "yearly").status == 0)
                #expect(try await agent.orch("schedule", "rm", "yearly").status == 3)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `jobs run to their end, are tried again, end in time, and outlive the scheduler`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("deploy", "scheduler").status == 0)
                func job(_ name: String, _ script: String) throws -> String {
                    try agent.module(
                        name, "command: [sh, -c, '\(script)']\nrestart: {policy: never}\nupdate: {monitor: 10ms}")
                }
                func history(_ name: String) async throws -> String {
                    try await agent.orch("schedule", "history", name).output
                }
                // The modules are known once they were deployed.
                let scripts = [
                    "report": "echo all is counted", "broken": "echo no database; exit 7", "endless": "sleep 1000",
                    "slow": "sleep 3; echo slowly done",
                ]
                for (name, script) in scripts { _ = try await agent.deploy(job(name, script), "--detach") }
                try await agent.eventually("the first runs are over") {
                    try await agent.instances().filter { ["report", "broken", "slow"].contains($0.module.rawValue) }
                        .allSatisfy { $0.state == .completed || $0.state == .failed }
                }
                let add = ["schedule", "add"]
                let daily = ["--every", "24h"]
                #expect(try await agent.orch(add + ["r"] + daily + ["--job", "report"]).status == 0)
                #expect(try await agent.orch("schedule", "run", "r").status == 0)
                #expect(try await history("r").contains("done"))
                #expect(
                    try await agent.logLines("--topic", "report").filter { $0.line == "all is counted" }.count == 2,
                    "the job logs to the module's topic")
                let tries = ["--job", "broken", "--retries", "2", "--retry-delay", "100ms"]
                #expect(try await agent.orch(add + ["b"] + daily + tries).status == 0)
                let failed = try await agent.orch("schedule", "run", "b")
                #expect(failed.status == 1)
                #expect(failed.errors.contains("exit 7") && failed.errors.contains("after 3 tries"), "\(failed)")
                #expect(
                    try await agent.orch(add + ["e"] + daily + ["--job", "endless", "--timeout", "1s"]).status == 0)
                let late = try await agent.orch("schedule", "run", "e")
                #expect(late.errors.contains("longer than 1s"), "\(late)")
                // A scheduler that is killed meanwhile: its successor waits for the job.
                #expect(try await agent.orch(add + ["s"] + daily + ["--job", "slow"]).status == 0)
                // The service's own page shows them, and nothing that may be a secret.
                #expect(
                    try await agent.orch(add + ["c"] + daily + ["--call", "http://127.0.0.1:1/secret"]).status == 0)
                let address = try await agent.orch("services", "-o", "json").json([ServiceView].self)
                    .first { $0.name.rawValue == "scheduler" }?.addresses.first
                let page = try await agent.run(["curl", "-sL", "\(try #require(address))/ui/"]).output
                #expect(page.contains("<td>job broken</td>") && !page.contains("secret"), "\(page)")
                func begin(_ name: String) async throws {
                    let place = "http://agent/v1/modules/scheduler/api/v1/schedules/\(name)/run"
                    let socket = ["--unix-socket", AgentPaths.socket(in: agent.data), "-m", "1"]
                    _ = try await agent.run(["curl", "-s", "-X", "POST"] + socket + [place])
                }
                func killScheduler() async throws {
                    if let pid = try await agent.instance("scheduler").pid { kill(pid, SIGKILL) }
                }
                try await begin("s")
                try await killScheduler()
                try await agent.eventually("the job's end is written down") {
                    try await history("s").contains("done")
                }
                let slow = try await agent.logLines("--topic", "slow").filter { $0.line == "slowly done" }
                #expect(slow.count == 2, "it ran once by itself and once as a job")
                // What has been tried is not forgotten by the one after it.
                let patient = ["--job", "broken", "--retries", "3", "--retry-delay", "500ms"]
                #expect(try await agent.orch(add + ["k"] + daily + patient).status == 0)
                func tried() async throws -> Int { try await agent.logLines("--topic", "broken", "-n", "100").count }
                let before = try await tried()
                try await begin("k")
                try await agent.eventually("it is tried again") { try await tried() >= before + 2 }
                try await killScheduler()
                try await agent.eventually("it is given up") { try await history("k").contains("after 4 tries") }
                #expect(try await tried() == before + 4)
                // Nothing of the runs stays.
                try await agent.eventually("the runs are gone") {
                    let names = try await agent.orch("services", "-o", "name").lines
                    return Set(names) == ["scheduler", "report", "broken", "endless", "slow"]
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `windows hold at once, and files are read again when they change`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let module = try agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}")
                #expect(try await agent.deploy(module).status == 0)
                let folder = "\(agent.folder)/schedules"
                try Files.makeFolder(folder)
                try Files.replace("\(folder)/schedules.yaml", with: "schedules: []\n")
                let configuration = "SCHEDULER_CONFIG=\(folder)/schedules.yaml"
                #expect(try await agent.deploy("scheduler", "-e", configuration).status == 0)
                // A window that is closed now: a minute of this hour yesterday and every day.
                let now = CivilTime(.now() + .seconds(7200))
                let (opens, closes) = ("\(now.hour):00", "\(now.hour):01".replacing(":1", with: ":01"))
                func time(_ text: String) -> String { text.utf8.count == 4 ? "0\(text)" : text }
                let file = "\(folder)/office.scheduler_config.json"
                try Files.replace(
                    file,
                    with: #"{"module": "sleeper", "start_time": "\#(time(opens))", "end_time": "\#(time(closes))"}"#)
                try await agent.eventually("the service is stopped, as its window has it") {
                    try await agent.instance("sleeper").state == .stopped
                }
                // It is turned round: open for all of the day but that minute.
                try Files.replace(
                    file,
                    with: #"{"module": "sleeper", "start_time": "\#(time(closes))", "end_time": "\#(time(opens))"}"#)
                try await agent.eventually("the service is started") {
                    try await agent.instance("sleeper").state.isUp
                }
                #expect(try await agent.orch("schedule", "ls").output.contains("every day"))
                try Files.replace(file, with: "{}")
                try await agent.eventually("what is wrong is told") {
                    try await agent.logLines("--topic", "Scheduler").contains {
                        $0.line.contains("the one before holds")
                    }
                }
                #expect(try await agent.orch("schedule", "ls", "-o", "name").lines == ["office"])
                Files.remove(file)
                try await agent.eventually("the schedule is gone") {
                    try await agent.orch("schedule", "ls", "-o", "name").lines.isEmpty
                }
                // To a number, at a time.
                let at = (Timestamp.now() + .seconds(2)).rfc3339(decimals: 0)
                let scale = ["schedule", "add", "more", "--at", at, "--scale", "sleeper", "--replicas", "3"]
                #expect(try await agent.orch(scale).status == 0)
                try await agent.eventually("three run") {
                    try await agent.instances("sleeper").filter(\.state.isUp).count == 3
                }
                let port = try #require(try await agent.instance("scheduler").ports["http"])
                let metrics = try await agent.run(["curl", "-s", "http://127.0.0.1:\(port)/metrics"]).output
                #expect(metrics.contains("scheduler_schedules 1"), "\(metrics)")
                #expect(metrics.contains("scheduler_runs_total{outcome=\"failed\"} 0.0"), "\(metrics)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `no due time is lost and none comes twice while the scheduler is killed`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                #expect(try await agent.orch("deploy", "scheduler").status == 0)
                let set = try await agent.orch(
                    "schedule", "add", "tick", "--every", "1s", "--missed", "all", "--restart", "nothing")
                #expect(set.status == 0, "\(set)")
                var generator = SystemRandomNumberGenerator()
                for _ in 0..<5 {
                    // At any time of its work; nothing tells which are the bad ones.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 100...900, using: &generator)))
                    let instance = try await agent.instance("scheduler")
                    if let pid = instance.pid { kill(pid, SIGKILL) }
                    try await agent.eventually("it is back") {
                        let now = try await agent.instance("scheduler")
                        return now.state == .healthy && now.pid != instance.pid
                    }
                }
                func dues() async throws -> [Timestamp] {
                    try await agent.orch("schedule", "history", "tick", "-n", "90", "-o", "name").lines
                        .compactMap { Timestamp(rfc3339: $0) }.reversed()
                }
                try await agent.eventually("all are made up for", within: .seconds(30)) {
                    let last = try await agent.orch("schedule", "history", "tick", "-n", "3").output
                    return try await dues().count >= 6 && last.contains("nothing")
                }
                let found = try await dues()
                for (one, next) in zip(found, found.dropFirst()) { #expect(next - one == .seconds(1), "\(found)") }
            }
        }
    }
}
