import OrchModel

/// Says in words why an instance is as it is, and what to do about it.
enum Explanation {
    struct Subject {
        var instance: InstanceView
        var spec: ModuleSpec?
        var checks: CheckView?
        var listening: [Int]
        /// How many revisions of its service are kept.
        var revisions: Int
    }

    static func summary(_ subject: Subject) -> String {
        let instance = subject.instance
        let reason = instance.reason.isEmpty ? "" : ": \(instance.reason)"
        return switch instance.state {
        case .healthy: "\(instance.id) works: its check passes"
        case .running where subject.spec?.health.type == HealthSpec.Kind.none:
            "\(instance.id) runs; nothing checks whether it works"
        case .running: "\(instance.id) runs, and its check has not passed yet\(reason)"
        case .unhealthy: "\(instance.id) runs, but its check fails\(reason)"
        case .pending: "\(instance.id) is not started yet\(reason)"
        case .starting: "\(instance.id) is being started"
        case .draining: "\(instance.id) gets no more requests and finishes those it has"
        case .stopping: "\(instance.id) was told to end and has not ended yet"
        case .stopped: "\(instance.id) was stopped by hand"
        case .backoff: "\(instance.id) ends again and again, and waits before it is started once more\(reason)"
        case .failed: "\(instance.id) is given up\(reason)"
        case .completed: "\(instance.id) has done its work and ended with 0"
        case .unknown: "the runtime of \(instance.id) cannot be asked"
        }
    }

    static func advice(_ subject: Subject) -> [String] {
        let (instance, id) = (subject.instance, subject.instance.id)
        var advice: [String] = []
        if let exit = instance.exit, [.backoff, .failed, .running, .healthy].contains(instance.state) {
            advice += self.advice(on: exit, subject)
        }
        switch instance.state {
        case .unhealthy, .running: advice += checkAdvice(subject)
        case .pending where instance.reason.hasPrefix("waits for"):
            let names = instance.reason.dropFirst(10).split(separator: ", ").joined(separator: " ")
            advice.append("start or mend what it depends on: 'orch why \(names)'")
        case .backoff, .failed:
            advice.append("read what it wrote last: 'orch logs -i \(id)'")
            if subject.revisions > 1 {
                advice.append("go back to the version before: 'orch rollback \(instance.module)'")
            }
            advice.append("mend the module and deploy it again, or try once more: 'orch restart \(id)'")
        case .stopping:
            let grace = subject.spec?.stop.grace ?? .zero
            advice.append("it is killed \(grace) after it was told to end; 'stop.grace' sets that")
        case .draining:
            let limit = subject.spec?.endpoint.drain ?? .zero
            advice.append("it is told to end after \(limit) at the latest; 'endpoint.drain' sets that")
        case .stopped: advice.append("start it: 'orch start \(id)'")
        case .healthy, .completed, .starting, .pending, .unknown: break
        }
        return advice
    }

    private static func advice(on exit: Exit, _ subject: Subject) -> [String] {
        if exit.outOfMemory {
            let bound = subject.spec.map { " (now \($0.limits.memory))" } ?? ""
            return ["it needed more memory than it may have: raise 'limits.memory'\(bound), or find the leak"]
        }
        // Numbers that shells give (POSIX.1, 2.8.2).
        return switch (exit.code, exit.signal) {
        case (126?, _): ["a program it starts cannot be executed: check its permissions"]
        case (127?, _): ["a program it starts was not found: check 'command' and PATH"]
        case (_, 9?):
            ["it was killed (SIGKILL) by somebody: look into the system's log for the kernel's out-of-memory killer"]
        case (_, 11?): ["it crashed (SIGSEGV): have it write a core, or run it by hand with its arguments"]
        default: []
        }
    }

    private static func checkAdvice(_ subject: Subject) -> [String] {
        guard let spec = subject.spec, spec.health.type != .none, let checks = subject.checks,
            let failure = checks.lastFailure
        else { return [] }
        let name = spec.health.port.isEmpty ? spec.ports.first?.name ?? "" : spec.health.port
        let expected = subject.instance.ports[name]
        if spec.health.type != .exec, let expected, !subject.listening.contains(expected) {
            let ports = subject.listening.map(String.init).joined(separator: ", ")
            return ports.isEmpty
                ? ["it listens at no port yet, expected \(expected): wait, or check that it starts a server"]
                : ["it listens on \(ports), expected \(expected): have it read its port from PORT, or set 'ports'"]
        }
        return ["the check says: \(failure)", "read what it wrote meanwhile: 'orch logs -i \(subject.instance.id)'"]
    }
}
