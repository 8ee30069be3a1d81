import OrchModel
import OrchSystem
import Testing

@testable import OrchCLI

struct ParserTests {
    private let parser = CommandLineParser(commands: CommandTable.all)

    private func parse(_ line: String) throws -> ParsedCommand {
        guard case .run(let parsed) = try parser.parse(line.split(separator: " ").map(String.init)) else {
            throw OrchError(.failed, "not a command: \(line)")
        }
        return parsed
    }

    @Test(arguments: [
        "logs shop --tail=5 -f", "logs --tail 5 -f shop", "logs -n5 shop --follow", "logs -fn5 shop", "logs -fn 5 shop",
        "logs -n=5 shop -f",
        "logs --no-follow -f -n 5 -- shop",
    ])
    func `options may stand anywhere and in every form`(line: String) throws {
        let parsed = try parse(line)
        #expect(parsed.values["tail"] == ["5"])
        #expect(parsed.values["follow"] == ["true"])
        #expect(parsed.operands == ["shop"])
    }

    @Test func `behind two dashes everything is an operand`() throws {
        #expect(try parse("logs -- -f --help").operands == ["-f", "--help"])
    }

    @Test func `a flag can be taken back`() throws {
        #expect(try parse("logs -f --no-follow").values["follow"] == ["false"])
        #expect(try parse("logs --follow=false").values["follow"] == ["false"])
    }

    @Test func `repeated options gather, others keep the last`() throws {
        let parsed = try parse("logs --topic A --topic B -n 1 -n 2")
        #expect(parsed.values["topic"] == ["A", "B"])
        #expect(parsed.values["tail"] == ["2"])
    }

    @Test func `global options may stand before the command`() throws {
        let parsed = try parse("-o json --data-dir /x instances")
        #expect(parsed.command.name == "instances")
        #expect(parsed.values["output"] == ["json"])
        #expect(parsed.values["data-dir"] == ["/x"])
    }

    @Test(arguments: [
        "deploy --help", "deploy shop --detach --help", "--help deploy shop", "deploy --env --help",
        "deploy --nonsense -h",
    ])
    func `help wins anywhere`(line: String) throws {
        guard case .help(let command) = try parser.parse(line.split(separator: " ").map(String.init)) else {
            Issue.record("no help")
            return
        }
        #expect(command?.name == "deploy")
    }

    @Test(arguments: [
        ("deplyo x", "did you mean 'deploy'?"), ("deploy x --detahc", "did you mean '--detach'?"),
        ("deploy", "MODULE is missing"),
        ("deploy a b", "one word too many"), ("logs -n", "needs a value"), ("logs -n five", "must be a whole number"),
        ("logs --since yesterday", "must be a time"), ("ps -o xml", "must be one of"),
        ("logs -Z", "there is no option '-Z'"),
        ("wait x --timeout 5", "must be a duration"), ("ps -o jsno", "did you mean json?"),
    ])
    func `each mistake is told with the way out, and is a usage error`(line: String, word: String) {
        let error = #expect(throws: OrchError.self) { try parse(line) }
        #expect(error?.code.exitStatus == 2)
        #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    }

    @Test func `every command has help that names its options, and every option its variable`() {
        for command in CommandTable.all {
            let page = HelpText.page(command)
            for option in command.options {
                #expect(page.contains("--\(option.name)") && page.contains(option.variable))
            }
        }
        #expect(OptionSpec("data-dir", nil, .folder, "DIR", "").variable == "ORCH_DATA_DIR")
    }

    @Test func `no two options of a command share a name or a letter`() {
        for command in CommandTable.all {
            let names = command.allOptions.map(\.name)
            let letters = command.allOptions.compactMap(\.short)
            #expect(Set(names).count == names.count, "\(command.name)")
            #expect(Set(letters).count == letters.count, "\(command.name)")
        }
    }
}

struct CompletionTests {
    private let engine = CompletionEngine(commands: CommandTable.all)

    @Test func `commands, options, choices and names are completed`() {
        #expect(engine.complete([""]).candidates.contains("deploy"))
        #expect(!engine.complete([""]).candidates.contains("__complete"))
        #expect(engine.complete(["logs", "--f"]).candidates.contains("--follow"))
        #expect(engine.complete(["ps", "-o", ""]).candidates == GlobalOptions.formats)
        #expect(engine.complete(["logs", "--topic", ""]).names == .topics)
        #expect(engine.complete(["deploy", ""]).names == .modules)
        #expect(engine.complete(["--data-dir", "/x", "stop", "a", ""]).names == .modules)
        #expect(engine.complete(["nonsense", ""]).candidates.isEmpty)
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `there is a script for each shell`(shell: String) {
        #expect(CompletionScripts.script(for: shell)?.contains("__complete") == true)
    }
}

struct OutputTests {
    @Test func `YAML is plain where it can be and quoted where it must`() {
        let value: JSONValue = ["a": "text", "b": "true", "c": ["x", 1], "d": [:], "e": "a: b", "f": ["k": "v"]]
        #expect(YAMLText.text(of: value) == "a: text\nb: \"true\"\nc:\n  - x\n  - 1\nd: {}\ne: \"a: b\"\nf:\n  k: v")
    }

    @Test func `a list of maps is indented below its dashes`() {
        let value: JSONValue = [["a": 1, "b": ["c"]], ["a": 2]]
        #expect(YAMLText.text(of: value) == "- a: 1\n  b:\n    - c\n- a: 2")
    }

    @Test func `the committed pages of the manual are what the tables say`() throws {
        let manual = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/man"
        for name in ManualPages.names {
            let committed = try Files.readText("\(manual)/\(name)")
            #expect(
                try ManualPages.page(name).map { $0 + "\n" } == committed, "run: orch __manual \(name) > man/\(name)")
        }
    }
}
