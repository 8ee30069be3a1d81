import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let why = CommandSpec(
        name: "why", summary: "Tell why an instance or a service is as it is, and what to do next",
        discussion:
            "One screen: the state in a sentence, the last exit, what the checks say, limits that were hit, the last events and lines. "
            + "Of a service the instances that need explaining most.",
        operands: [OperandSpec("NAME", names: .instances, "Name of a service, or id of an instance.")],
        examples: ["orch why shop", "orch why shop-k3v9qd"]
    ) { invocation in
        let client = try invocation.client()
        let name = try InstanceID(checking: invocation.operands[0])
        let answer = try await InstanceOrService.get(name, "/why", client, as: WhyAnswer.self)
        let console = invocation.console
        try console.show(answer, name: name.rawValue) {
            WhyScreen.header(answer, console) + answer.instances.flatMap { [""] + WhyScreen.lines($0, console) }
        }
        return 0
    }
}

/// The screen of `orch why`.
private enum WhyScreen {
    static func header(_ answer: WhyAnswer, _ console: Console) -> [String] {
        let service = answer.service
        let address = service.addresses.isEmpty ? "" : " at \(service.addresses.joined(separator: ", "))"
        var lines = [
            "\(service.name) \(service.version) is \(console.styled(service.state.rawValue, service.state.style)), "
                + "\(service.up) of \(service.replicas) up\(address)"
        ]
        if let problem = service.problem { lines.append(console.styled("address  \(problem)", .red)) }
        if let deployment = answer.deployment {
            let reason = deployment.reason.isEmpty ? "" : ": \(deployment.reason)"
            lines.append(
                "last change: \(deployment.kind.rawValue) \(deployment.id) \(deployment.state.rawValue.replacing("_", with: " "))\(reason)"
            )
        }
        if answer.instances.isEmpty {
            let way = service.replicas == 0 ? "scale \(service.name) 1" : "start \(service.name)"
            lines.append("it has no instances: 'orch \(way)' makes some")
        }
        if let deployment = answer.deployment, deployment.state.standsStill {
            let verb = deployment.state == .waiting ? "promote" : "resume"
            lines.append("next     'orch \(verb) \(service.name)' goes on, 'orch abort \(service.name)' takes it back")
        }
        return lines
    }

    static func lines(_ view: WhyView, _ console: Console) -> [String] {
        let instance = view.instance
        var lines = [console.styled(view.summary, .bold)]
        let pid = instance.pid.map { ", pid \($0)" } ?? ""
        lines.append(
            "state    \(instance.state.rawValue) for \((Timestamp.now() - instance.since).short)\(pid), \(instance.restarts) restarts"
        )
        if let exit = instance.exit { lines.append("exit     \(exit) at \(exit.at.rfc3339(decimals: 3))") }
        if let checks = view.checks {
            let last = checks.lastFailure ?? (checks.lastAt == nil ? "not yet" : "passed")
            lines.append("check    \(checks.check): \(last) (\(checks.passes) passed, \(checks.failures) failed)")
        }
        if !view.listening.isEmpty {
            lines.append("listens  \(view.listening.map(String.init).joined(separator: ", "))")
        }
        for limit in view.limits { lines.append("limit    \(limit)") }
        if let placement = instance.placement { lines.append("server   \(instance.server): \(placement)") }
        for event in view.timeline {
            let word = event.kind.split(separator: ".").last.map(String.init) ?? event.kind
            lines.append("event    \(event.at.rfc3339(decimals: 3))  \(word)  \(event.message)".trimmingTrailingSpaces)
        }
        for line in view.lastLines { lines.append("  | \(line)") }
        for (index, advice) in view.advice.enumerated() {
            lines.append((index == 0 ? "next     " : "or       ") + advice)
        }
        return lines
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}
