import OrchModel
import Testing

@testable import OrchModuleFile

struct ModuleFileTests {
    private func parse(_ text: String) throws -> ModuleSpec {
        try ModuleFile.parse(text, path: "module.yaml", baseDirectory: "/srv/shop")
    }

    private func mistakes(_ text: String) -> [String] {
        do {
            _ = try ModuleFile.parse(text, path: "m.yaml", baseDirectory: "/")
            return []
        } catch {
            return error.diagnostics.map(\.description)
        }
    }

    @Test func `name and command suffice, and the rest has its defaults`() throws {
        let spec = try parse("name: shop\ncommand: ./shop --port ${PORT}\n")
        #expect(spec.command == ["./shop", "--port", "${PORT}"])
        #expect(spec.topic.rawValue == "shop")
        #expect(spec.replicas == 1)
        #expect(spec.restart.policy == .always)
        #expect(spec.restart.initialDelay == .milliseconds(100))
        #expect(spec.stop.grace == .seconds(10))
        #expect(spec.baseDirectory == "/srv/shop")
        #expect(spec.startsFirst)
    }

    @Test func `every key is taken`() throws {
        let spec = try parse(
            """
            name: shop
            version: 1.10
            topic: Shop
            description: A shop
            runtime: process
            command: [./shop, "a b"]
            args: [--verbose, 3]
            workdir: data
            env: {DEBUG: true, COUNT: 3, EMPTY: }
            files:
              - path: shop.conf
                content: "port ${PORT}"
                mode: "0640"
            ports:
              - name: http
                port: 0
            endpoint:
              port: 8080
              hosts: [shop.example.com, "*.shop.example.com"]
              path: /shop
              target: http
              tls: {certificate: shop.crt, key: shop.key}
              drain: 5s
              hold: 1s
              timeout: 10s
              slow_start: 0s
              access_log: 0
            placement: {servers: [node-1], near: [db], spread: resources}
            health: {type: http, path: /ok, interval: 1s, timeout: 500ms, rise: 2, fall: 4, start_period: 3s}
            restart: {policy: on-failure, initial_delay: 50ms, max_delay: 1s, reset_after: 5s, give_up_after: 3}
            stop: {signal: INT, grace: 2s}
            replicas: 3
            user: nobody
            limits: {memory: 64M, cpu: 0.5, open_files: 256, processes: 10}
            logs: {spool: 4M, when_full: block}
            depends_on: [db]
            update: {order: stop-first, strategy: canary, canary: 20, max_unavailable: 50%, monitor: 3s, monitor_checks: 4, healthy_timeout: 10s, on_failure: pause}
            labels: {team: web}
            """)
        #expect(spec.version == "1.10")
        #expect(spec.command == ["./shop", "a b"])
        #expect(spec.args == ["--verbose", "3"])
        #expect(spec.env == ["DEBUG": "true", "COUNT": "3", "EMPTY": ""])
        #expect(spec.limits.memory.bytes == 67_108_864)
        #expect(spec.limits.cpu == 0.5)
        #expect(spec.health.startPeriod == .seconds(3))
        #expect(spec.update.onFailure == .pause)
        #expect(spec.unavailable == 2)
        #expect(spec.endpointMode == .http)
        #expect(spec.endpoint.tls.certificate == "shop.crt")
        #expect(spec.placement.near.map(\.rawValue) == ["db"])
        #expect(!spec.startsFirst)
    }

    @Test func `an unknown key is refused at its place with the nearest one`() {
        #expect(
            mistakes("name: a\ncommand: x\nreplica: 3\n") == [
                "m.yaml:3:1: unknown key 'replica': did you mean 'replicas'?"
            ])
    }

    @Test func `a mistake deep inside is found at its place`() {
        let found = mistakes("name: a\ncommand: x\nhealth:\n  type: htpp\n  interval: soon\n")
        #expect(
            found.contains(
                "m.yaml:4:9: 'health.type' must be one of none, tcp, http, exec, image, not 'htpp'; did you mean http?")
        )
        #expect(found.contains { $0.hasPrefix("m.yaml:5:13: 'health.interval' must be a duration") })
    }

    @Test func `all mistakes are told at once`() {
        #expect(mistakes("nmae: a\nreplicas: -1\n").count == 3)
    }

    @Test(arguments: [
        ("", "empty"), ("name: [", "no valid YAML"), ("- a\n- b\n", "must be a map"),
        ("name: a/b\ncommand: x\n", "must be a name"),
        ("name: a\ncommand: []\n", "must be a command"), ("name: a\ncommand: x\ntopic: Events\n", "control plane"),
        ("name: a\ncommand: x\nhealth: {type: tcp}\n", "needs a port"), ("name: a\ncommand: x\nname: b\n", "twice"),
        ("name: a\ncommand: x\nfiles: [{path: ../a}]\n", "stay in the folder"),
        ("name: a\ncommand: x\nfiles: [{path: a, mode: \"999\"}]\n", "octal"),
        ("name: a\ncommand: x\nreplicas: 2\nports: [{port: 80}]\n", "cannot share port 80"),
        ("name: a\ncommand: x\nports: [{port: 80}, {name: b, port: 80}]\n", "the same number"),
        ("name: a\ncommand: x\nenv: {A=B: c}\n", "no name of a variable"),
        ("name: a\ncommand: 'unclosed \"quote'\n", "must be a command"),
        ("name: a\ncommand: x\ndepends_on: [a]\n", "itself"),
    ])
    func `what cannot work is refused`(text: String, word: String) {
        #expect(mistakes(text).contains { $0.contains(word) }, "\(mistakes(text))")
    }

    @Test func `the published schema knows every key of the parser and no other`() throws {
        func check(_ schema: JSONValue?, _ keys: [ModuleSchema.Key], at path: String) {
            guard case .object(let properties)? = schema?["properties"] else {
                Issue.record("\(path) has no properties")
                return
            }
            #expect(Set(properties.keys) == Set(keys.map(\.name)), "\(path)")
            #expect(schema?["additionalProperties"] == false)
            for key in keys {
                switch key.shape {
                case .object(let inner): check(properties[key.name], inner, at: "\(path).\(key.name)")
                case .list(.object(let inner)):
                    check(properties[key.name]?["items"], inner, at: "\(path).\(key.name)[]")
                default: #expect(properties[key.name]?["description"] == .string(key.help))
                }
            }
        }
        check(ModuleSchema.jsonSchema, ModuleSchema.keys, at: "")
    }

    @Test(arguments: [
        ("a b", ["a", "b"]), ("a 'b c' \"d e\"", ["a", "b c", "d e"]), ("a\\ b", ["a b"]), ("  ", []), ("''", [""]),
    ])
    func `a command is split as a shell would`(text: String, words: [String]) {
        #expect(CommandLineWords.split(text) == words)
    }
}
