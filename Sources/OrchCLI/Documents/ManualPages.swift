import OrchModel

/// The pages of the manual in mdoc(7), from the tables of commands, options and keys.
package enum ManualPages {
    private static let date = "November 24, 2026"

    package static let names = ["orch.1", "orch-agent.8", "orch-module.5", "orch-notifier.5", "module.schema.json"]

    /// `nil` when there is no such page.
    package static func page(_ name: String) throws -> String? {
        switch name {
        case "orch.1": orch
        case "orch-agent.8": agent
        case "orch-module.5": module
        case "orch-notifier.5": notifier
        case "module.schema.json": try Console.json(ModuleSchema.jsonSchema, pretty: true)
        default: nil
        }
    }

    private static var orch: String {
        var lines = head("ORCH", 1, "orch", "run programs as services")
        lines += [".Sh SYNOPSIS", ".Nm", ".Ar command", ".Op Ar options", ".Op Ar operands", ".Sh DESCRIPTION"]
        lines += [
            ".Nm", "deploys, supervises and balances programs, and streams their logs through Kafka topics.",
            "It talks over HTTP to an agent, see", ".Xr orch-agent 8 ,", "and reads module files, see",
            ".Xr orch-module 5 .",
        ]
        lines += [".Sh COMMANDS", ".Bl -tag -width Ds"]
        for command in CommandTable.all where !command.isHidden {
            lines.append(".It Nm \(command.name)\(command.operands.map { " Ar " + escaped($0.metavar) }.joined())")
            lines.append(sentence(command.summary))
            if !command.discussion.isEmpty { lines += sentences(command.discussion) }
            if !command.aliases.isEmpty { lines.append("Also called \(command.aliases.joined(separator: ", ")).") }
            if !command.options.isEmpty {
                lines.append(".Bl -tag -width Ds")
                lines += command.options.flatMap(option)
                lines.append(".El")
            }
        }
        lines += [".El", ".Sh OPTIONS", "Every command takes these:", ".Bl -tag -width Ds"]
        lines += GlobalOptions.all.flatMap(option)
        lines += [
            ".El", ".Sh ENVIRONMENT", "Every option can be set by a variable:", ".Ev ORCH_",
            "and the option's name in capitals, with",
            ".Ql _", "for", ".Ql - .", ".Ev ORCH_TOKEN", "holds the token for", ".Fl -host .",
            "An option wins over its variable, that over the project's file",
            ".Pa .orch ,", "and that over the user's file", ".Pa ~/.config/orch/config .",
        ]
        lines += [".Sh EXIT STATUS", ".Bl -tag -width Ds"]
        let statuses = [
            "done", "the operation failed", "usage", "not found", "agent not reachable", "not allowed",
            "conflict: somebody changed it first", "timed out",
            "deploy failed, rolled back, the old version serves", "deploy failed, the service is down or degraded",
        ]
        for (number, text) in statuses.enumerated() { lines += [".It \(number)", sentence(text)] }
        lines += [".El", ".Sh EXAMPLES", ".Bd -literal -offset indent"]
        lines += CommandTable.all.filter { !$0.isHidden }.compactMap(\.examples.first).map(escaped)
        lines += [".Ed", ".Sh SEE ALSO", ".Xr orch-module 5 ,", ".Xr orch-agent 8"]
        return lines.joined(separator: "\n")
    }

    private static var agent: String {
        var lines = head("ORCH-AGENT", 8, "orch-agent", "control plane of orch")
        lines += [".Sh SYNOPSIS", ".Nm", ".Op Ar options", ".Sh DESCRIPTION"]
        lines += sentences(
            "The agent deploys modules, supervises their instances and streams their logs. It is started by orch agent in the foreground or by orch bootstrap in the background. "
                + "Instances run below a process of their own, orch-shim, and go on when the agent ends or is killed; the next agent takes them over."
        )
        lines += [".Pp", "The options are:", ".Bl -tag -width Ds"]
        lines += (GlobalOptions.all.filter { ["data-dir", "socket", "help"].contains($0.name) } + AgentOptions.all)
            .flatMap(option)
        lines += [
            ".El", ".Sh ENVIRONMENT", ".Bl -tag -width Ds", ".It Ev DOCKER_HOST , DOCKER_CONTEXT , DOCKER_CONFIG",
            "Where Docker is, as for its own tool; the socket of an engine of this machine.",
            "Without them it is looked for in /var/run, in XDG_RUNTIME_DIR and at home.", ".It Ev CONTAINER_HOST",
            "The same for Podman.", ".El",
        ]
        lines += [".Sh FILES", ".Bl -tag -width Ds"]
        let files = [
            ("orch.db", "The truth: services, instances, deployments, events and requests."),
            ("orch.sock", "The socket of the API."),
            ("token", "The token of the API's port on loopback."),
            (
                "http.port",
                "The port on loopback that the agent had last; without it, and without --http-port, none is opened until 'orch ui' asks for it."
            ),
            ("sessions.ended", "The sessions of browsers that have signed out."),
            ("instances", "A folder for each instance: socket, exit status, log and configuration."),
            ("broker", "The log of the embedded Kafka broker."), ("LoggingModule", "Each topic as a text file."),
            ("Runtime, Repository, Loadbalancer", "JSON documents for people and scripts, replaced after each change."),
        ]
        for (name, text) in files { lines += [".It Pa \(name)", escaped(text)] }
        lines += [
            ".El", ".Sh SIGNALS", "SIGTERM and SIGINT end the agent.", ".Sh SEE ALSO", ".Xr orch 1 ,",
            ".Xr orch-module 5",
        ]
        return lines.joined(separator: "\n")
    }

    private static var module: String {
        var lines = head("ORCH-MODULE", 5, "orch-module", "module file of orch")
        lines += [".Sh DESCRIPTION"]
        lines += sentences(
            "A module file is YAML and is called module.yaml. It tells what to run and how to keep it running. Unknown keys and wrong values are refused with their place."
        )
        lines += [".Bl -tag -width Ds"] + keys(ModuleSchema.keys, prefix: "")
        lines += [
            ".El", ".Sh ENVIRONMENT", "An instance gets", ".Ev PORT ,", ".Ev ORCH_MODULE_NAME ,",
            ".Ev ORCH_MODULE_VERSION ,", ".Ev ORCH_INSTANCE_ID ,",
            ".Ev ORCH_INSTANCE_ORDINAL ,", ".Ev ORCH_CONFIG_DIR ,", ".Ev ORCH_MODULE_DIR ,", ".Ev ORCH_DATA_DIR ,",
            ".Ev ORCH_SOCKET", "and", ".Ev ORCH_BROKERS .", "In a container the last four are missing.",
            "One whose module file sets", ".Cm api", "gets", ".Ev ORCH_SOCKET", "everywhere, and with it",
            ".Ev ORCH_TOKEN_FILE .", "Other services are reached at", ".Ev ORCH_SERVICE_<NAME>_URL ,",
            "as far as they are known when it starts.",
            "Configuration files are in /run/orch/config there, and secrets also in /run/secrets.",
        ]
        lines += [
            ".Sh EXAMPLES", ".Bd -literal -offset indent", "name: site", "command: python3 -m http.server ${PORT}",
            "ports:", "  - name: http",
            "health:", "  type: http", ".Ed", ".Sh SEE ALSO", ".Xr orch 1 ,", ".Xr orch-agent 8",
        ]
        return lines.joined(separator: "\n")
    }

    private static var notifier: String {
        var lines = head("ORCH-NOTIFIER", 5, "notifier.yaml", "settings of the action and notification manager of orch")
        lines += [".Sh DESCRIPTION"]
        lines += sentences(
            "'orch notify rules apply FILE' gives this file to the module action-notification, which keeps it; or it reads one that NOTIFIER_CONFIG names, or notifier.yaml of its configuration directory. What has changed holds at once; a file with a mistake changes nothing, and 'orch notify rules check FILE' tells every one of them."
        )
        lines += [".Bl -tag -width Ds"] + keys(NotifierSchema.keys, prefix: "")
        lines += [".El", ".Sh TEMPLATES"]
        lines += sentences(
            "Titles and advice may name rule, module, instance, severity, text, count and incident, each within two pairs of braces. The body of a webhook may also name id, occasion, title, subject, body, advice, state, opened_at, resolved_at and last_lines, which are written as they stand in a text of JSON. A webhook with a secret_file carries the field X-Orch-Signature: sha256= and the HMAC-SHA-256 of the body."
        )
        lines += [
            ".Sh EXAMPLES", ".Bd -literal -offset indent", "channels:", "  - name: mail", "    type: email",
            "    server: mail.example.com:587", "    from: orch@example.com", "    to: [ops@example.com]", "rules:",
            "  - name: slow", "    match: {level: warning, pattern: slow answer}",
            "    threshold: {count: 20, within: 1m}",
            ".Ed", ".Sh SEE ALSO", ".Xr orch 1 ,", ".Xr orch-module 5",
        ]
        return lines.joined(separator: "\n")
    }

    private static func keys(_ keys: [ModuleSchema.Key], prefix: String) -> [String] {
        keys.flatMap { key -> [String] in
            let path = prefix.isEmpty ? key.name : "\(prefix).\(key.name)"
            var lines = [".It Cm \(path)", sentence(key.help)]
            switch key.shape {
            case .object(let inner): lines += Self.keys(inner, prefix: path)
            case .list(.object(let inner)): lines += Self.keys(inner, prefix: "\(path)[]")
            default:
                lines.append("It is \(escaped(ModuleSchema.expectation(of: key.shape))).")
                lines.append(escaped(standard(key.fallback)))
            }
            return lines
        }
    }

    private static func standard(_ fallback: JSONValue?) -> String {
        switch fallback {
        case nil: "It must be given."
        case .string(let text)?: text.isEmpty ? "By default it is empty." : "By default it is \(text)."
        case .integer(let number)?: "By default it is \(number)."
        case .bool(let value)?: "By default it is \(value)."
        case .array?, .object?: "By default it is empty."
        default: ""
        }
    }

    // MARK: mdoc

    private static func head(_ title: String, _ section: Int, _ name: String, _ what: String) -> [String] {
        [".Dd \(date)", ".Dt \(title) \(section)", ".Os", ".Sh NAME", ".Nm \(name)", ".Nd \(what)"]
    }

    private static func option(_ option: OptionSpec) -> [String] {
        let short = option.short.map { "Fl \($0) , " } ?? ""
        let value = option.isFlag ? "" : " Ar \(escaped(option.metavar))"
        return [".It \(short)Fl -\(option.name)\(value)"] + sentences(option.help)
    }

    private static func sentence(_ text: String) -> String { escaped(text.hasSuffix(".") ? text : "\(text).") }

    /// Each sentence begins a line of its own, as mdoc wants it.
    private static func sentences(_ text: String) -> [String] {
        var lines: [String] = []
        var current = ""
        for word in text.split(separator: " ") {
            current += current.isEmpty ? word : " \(word)"
            if word.hasSuffix(".") && word.count > 2 {
                lines.append(sentence(current))
                current = ""
            }
        }
        return current.isEmpty ? lines : lines + [sentence(current)]
    }

    private static func escaped(_ text: String) -> String {
        let plain = text.replacing("\\", with: "\\e")
        return plain.hasPrefix(".") || plain.hasPrefix("'") ? "\\&\(plain)" : plain
    }
}
