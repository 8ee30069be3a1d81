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
    }
}
