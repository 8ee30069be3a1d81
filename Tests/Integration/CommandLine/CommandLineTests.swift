import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct Commands {
        private static let names = [
            "agent", "bootstrap", "shutdown", "status", "deploy", "start", "stop", "restart", "scale", "rm",
            "instances", "ps", "services", "modules",
            "inspect", "logs", "topics", "events", "validate", "plan", "wait", "config", "completion", "version",
            "help",
        ]

        @Test(.timeLimit(.minutes(1)), arguments: names)
        func `every command has help, without an agent and without an effect`(name: String) async throws {
            try await TestAgent.withoutAgent { agent in
                let outcome = try await agent.orch(name, "--help")
                #expect(outcome.status == 0)
                #expect(outcome.output.hasPrefix("Usage: orch"))
                #expect(outcome.errors.isEmpty)
                #expect(Files.list(agent.data).isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(1))) func `without an agent commands say so at once, with 4`() async throws {
            try await TestAgent.withoutAgent { agent in
                for words in [
                    ["status"], ["instances"], ["deploy", "scheduler"], ["logs"], ["topics"], ["events"],
                    ["stop", "x"], ["wait", "x"], ["plan", "x"],
                ] {
                    let outcome = try await agent.orch(words, timeout: .seconds(10))
                    #expect(outcome.status == 4, "\(words): \(outcome)")
                    #expect(outcome.errors.contains("orch bootstrap"))
                    #expect(outcome.output.isEmpty)
                }
                let completion = try await agent.orch("__complete", "--", "deploy", "", timeout: .seconds(10))
                #expect(completion.status == 0)
                #expect(completion.errors.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(1))) func `wrong words end with 2 and the nearest right one`() async throws {
            try await TestAgent.withoutAgent { agent in
                let cases = [
                    (["deplyo", "x"], "'deploy'"), (["logs", "--folow"], "'--follow'"),
                    (["ps", "-o", "tabel"], "table"), (["deploy"], "MODULE is missing"),
                    (["scale", "x", "many"], "whole number"),
                    (["deploy", String(repeating: "x", count: 300)], "is no artifact name"),
                    (["stop", "a\nb"], "'a\\nb'"), (["logs", "--topic", "a/b"], "is no topic name"),
                ]
                for (words, hint) in cases {
                    let outcome = try await agent.orch(words)
                    #expect(outcome.status == 2, "\(outcome)")
                    #expect(outcome.errors.contains(hint), "\(outcome)")
                    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
                }
                let huge = try await agent.orch("deploy", String(repeating: "x", count: 100_000))
                #expect(huge.status == 2)
                #expect(huge.errors.utf8.count < 400)
            }
        }

        @Test(.timeLimit(.minutes(1))) func `lists come in every format`() async throws {
            try await TestAgent.withAgent { agent in
                #expect(
                    try await agent.deploy(agent.module("sleeper", "command: sleep 1000\nupdate: {monitor: 10ms}"))
                        .status == 0)
                let id = try await agent.instance("sleeper").id.rawValue
                #expect(try await agent.orch("ps").output.contains("INSTANCE"))
                #expect(try await agent.orch("ps", "-o", "wide").output.contains("LAST EXIT"))
                #expect(try await agent.orch("ps", "-o", "name").lines == [id])
                #expect(try await agent.orch("ps", "-o", "yaml").output.contains("id: \(id)"))
                #expect(try await agent.orch("ps", "-o", "jsonl").lines.count == 1)
                #expect(try await agent.orch("ps", environment: ["ORCH_OUTPUT": "name"]).lines == [id])
                for words in [
                    ["services"], ["modules"], ["topics"], ["status"], ["version"], ["config"], ["inspect", "sleeper"],
                    ["inspect", id], ["events", "-n", "3"],
                ] {
                    for format in ["table", "json", "yaml", "name"] {
                        let outcome = try await agent.orch(words + ["-o", format])
                        #expect(outcome.status == 0, "\(words) \(format): \(outcome)")
                        #expect(!outcome.output.isEmpty, "\(words) \(format)")
                    }
                }
                #expect(try await agent.orch("inspect", "nothing").status == 3)
                #expect(try await agent.orch("__complete", "--", "stop", "").lines.contains("sleeper"))
            }
        }

        @Test(.timeLimit(.minutes(1))) func `settings come from option, environment, project and user, in this order`()
            async throws
        {
            try await TestAgent.withoutAgent { agent in
                try Files.makeFolder("\(agent.folder)/.config/orch")
                try Files.replace("\(agent.folder)/.config/orch/config", with: "# mine\noutput = yaml\ncolor = never\n")
                func source(_ name: String, _ environment: [String: String] = [:], _ words: String...) async throws
                    -> String
                {
                    try await agent.orch(["config"] + words, environment: environment).lines.first {
                        $0.hasPrefix("- name: \(name)") || $0.contains("\(name) ")
                    } ?? ""
                }
                let json = try await agent.orch("config", "-o", "jsonl")
                #expect(
                    json.output.contains(
                        #""name":"color","source":"\#(agent.folder)/.config/orch/config","value":"never""#))
                try Files.replace("\(agent.folder)/.orch", with: "color = always\n")
                #expect(
                    try await agent.orch("config", "-o", "jsonl").output.contains(
                        #""source":"\#(agent.folder)/.orch","value":"always""#))
                #expect(
                    try await agent.orch("config", "-o", "jsonl", environment: ["ORCH_COLOR": "auto"]).output.contains(
                        #""source":"environment (ORCH_COLOR)","value":"auto""#))
                #expect(
                    try await agent.orch(
                        "config", "-o", "jsonl", "--color", "never", environment: ["ORCH_COLOR": "auto"]
                    ).output.contains(#""source":"option","value":"never""#))
                try Files.replace("\(agent.folder)/.orch", with: "colour = always\n")
                let wrong = try await agent.orch("config")
                #expect(wrong.status == 2)
                #expect(
                    wrong.errors.contains(".orch:1: there is no setting 'colour'; did you mean 'color'?"), "\(wrong)")
            }
        }

        @Test(.timeLimit(.minutes(1))) func `colour is judged for each stream and can be asked for`() async throws {
            try await TestAgent.withoutAgent { agent in
                let plain = try await agent.orch("nonsense")
                #expect(!plain.errors.contains("\u{1b}"))
                #expect(try await agent.orch("status", "--color", "always").errors.contains("\u{1b}[31m"))
                #expect(
                    try await agent.orch("status", "--color", "always", environment: ["NO_COLOR": "1"]).errors.contains(
                        "\u{1b}[31m"))
            }
        }

        @Test(.timeLimit(.minutes(1))) func `validate needs no agent and tells every mistake at its place`()
            async throws
        {
            try await TestAgent.withoutAgent { agent in
                let good = try agent.module("good", "command: x")
                let bad = try agent.module("bad", "command: x\nreplica: 3\nhealth: {type: tpc}")
                #expect(try await agent.orch("validate", good).status == 0)
                let outcome = try await agent.orch("validate", good, bad)
                #expect(outcome.status == 2)
                #expect(outcome.errors.contains("bad.yaml:3:1: unknown key 'replica'"), "\(outcome)")
                #expect(outcome.errors.contains("bad.yaml:4:16: 'health.type'"), "\(outcome)")
                for example in Files.list(TestAgent.examples)
                where Files.exists("\(TestAgent.examples)/\(example)/module.yaml") {
                    #expect(
                        try await agent.orch("validate", "\(TestAgent.examples)/\(example)").status == 0, "\(example)")
                }
            }
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["bash", "zsh", "fish"]) func `the shell takes its completions`(
            shell: String
        ) async throws {
            try await TestAgent.withoutAgent { agent in
                let script = try await agent.orch("completion", shell)
                try Files.replace("\(agent.folder)/script", with: script.output)
                let words = shell == "fish" ? ["fish", "--no-execute"] : [shell, "-n"]
                let outcome = try await agent.run(words + ["\(agent.folder)/script"])
                #expect(outcome.status == 0, "\(outcome)")
            }
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["orch.1", "orch-agent.8", "orch-module.5", "orch-notifier.5"])
        func `the pages of the manual are clean`(page: String) async throws {
            try await TestAgent.withoutAgent { agent in
                try Files.replace("\(agent.folder)/\(page)", with: try await agent.orch("__manual", page).output)
                let outcome = try await agent.run(["mandoc", "-Tlint", "-Wwarning", "\(agent.folder)/\(page)"])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.output.isEmpty)
            }
        }
    }
}
