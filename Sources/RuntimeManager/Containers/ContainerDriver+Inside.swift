import ContainerEngine
import Glibc
package import OrchModel
import OrchSystem

/// What can be seen and done within containers.
extension ContainerDriver {
    package func check(_ id: InstanceID, _ health: HealthSpec) async -> String? {
        guard let entry = running[id] else { return "it does not run" }
        // One that hangs in the container cannot be ended from here: it must not become many.
        guard checking.insert(id).inserted else { return "the check before still runs" }
        defer { checking.remove(id) }
        do throws(OrchError) {
            let client = try await client(at: entry.engine)
            if health.type == .image { return try await imageCheck(entry, client) }
            let environment = InstanceEnvironment(
                container: entry.launch, ports: entry.launch.spec.containerPorts(for: entry.ports),
                configuration: ContainerPaths.configuration, door: ContainerPaths.door)
            let outcome = try await client.execute(health.command.map(environment.expand), in: entry.container)
            guard outcome.status != 0 else { return nil }
            let words = outcome.output.split(separator: "\n").last.map { ": \($0)" } ?? ""
            return "the check ended with \(outcome.status)\(words)"
        } catch {
            return "the check cannot run: \(error.message)"
        }
    }

    package func execute(
        _ plan: ExecPlan, in id: InstanceID, input: some AsyncSequence<ExecInput, any Error> & Sendable,
        output: @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws(OrchError) -> Int32 {
        let entry = try entry(of: id)
        return try await client(at: entry.engine).execute(
            plan, in: entry.container, input: input, output: output, whenCancelled: { Glibc.kill($0, SIGKILL) })
    }

    private func imageCheck(_ entry: Running, _ client: EngineClient) async throws(OrchError) -> String? {
        guard let health = try await client.container(entry.container)?.health else {
            return
                "the image \(entry.launch.spec.image) has no check: add HEALTHCHECK to it, or use another 'health.type'"
        }
        if health.verdict == .healthy { return nil }
        let words = health.output.split(separator: "\n").last.map { ": \($0)" } ?? ""
        return "the image's check says \(health.verdict.rawValue)\(words)"
    }

    package func observe(_ id: InstanceID) async -> InstanceObservation {
        guard let entry = running[id], let client = clients[entry.engine],
            let state = try? await client.container(entry.container)
        else { return InstanceObservation() }
        var observation = InstanceObservation()
        if state.isPaused { observation.limits.append("it was paused by hand: 'docker unpause \(id)' lets it go on") }
        guard let pid = state.pid else { return observation }
        let isOnHost = entry.launch.spec.container.isOnHost
        let found = await runBlocking(name: "observe") {
            // On the machine's own network are others, too.
            isOnHost ? ListeningPorts.of(Programs.tree(of: pid)) : ListeningPorts.inNamespace(of: pid)
        }
        // Seen from outside, where somebody looks for them.
        let inner = entry.launch.spec.containerPorts(for: entry.ports)
        observation.listening = found.map { port in
            inner.first { $0.value == port }.flatMap { entry.ports[$0.key] } ?? port
        }
        return observation
    }

    package func usage(of id: InstanceID) async -> ResourceUsage? {
        guard let entry = running[id], let client = clients[entry.engine],
            var usage = try? await client.usage(of: entry.container)
        else { return nil }
        // Without a limit engines tell that of the machine.
        usage.memoryLimit = entry.launch.spec.limits.memory.bytes
        return usage
    }
}
