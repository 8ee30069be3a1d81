import OrchModel
import OrchSystem
import Testing

extension Integration {
    /// The web interface in a real browser: `Browser/scenarios.py` does what people do.
    @Suite(.serialized) struct Web {
        private static let scenarios = [
            "signing_in", "deploying_from_nothing", "mistakes_at_their_lines", "rolling_back_before_your_eyes",
            "changing_instances", "following_a_noisy_module", "what_has_ended",
            "searches_that_last", "a_canary_waits", "two_tabs",
            "agent_killed_and_back", "bundles", "schedules_and_notifications", "without_scripts",
            "people_who_cannot_see", "nothing_jumps", "attacks", "requests_are_kept",
        ]

        @Test(.timeLimit(.minutes(5)), arguments: scenarios) func `what people do in the browser`(scenario: String)
            async throws
        {
            try await TestAgent.withAgent { agent in
                let script = Files.parent(of: #filePath) + "/Browser/scenarios.py"
                // The browser keeps what it has for itself below TMPDIR.
                let outcome = try await agent.run(
                    ["/usr/bin/python3", "-B", script, scenario],
                    environment: [
                        "ORCH": "\(TestAgent.programs)/orch", "ORCH_DATA_DIR": agent.data, "TMPDIR": agent.folder,
                    ], timeout: .seconds(240))
                #expect(outcome.status == 0, "\(outcome)")
            }
        }
    }
}
