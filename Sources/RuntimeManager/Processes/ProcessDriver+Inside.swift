package import OrchModel
import OrchSystem

/// What can be seen and done beside an instance's program.
extension ProcessDriver {
    package func check(_ id: InstanceID, _ health: HealthSpec) async -> String? {
        do throws(OrchError) {
            guard health.type == .exec else { return "there is nothing to check" }
            let program = try program(of: id)
            let command = try program.command(health.command.map(program.environment.expand))
            let outcome = await runBlocking(name: "check") {
                Result { () throws(SystemError) in try command.run(timeout: health.timeout) }
            }
            switch outcome {
            case .success(nil): return "the check took longer than \(health.timeout)"
            case .success(0?): return nil
            case .success(let code?): return "the check ended with \(code)"
            case .failure(let error): return "the check cannot run: \(error)"
            }
        } catch {
            return "the check cannot run: \(error.message)"
        }
    }

    package func execute(
        _ plan: ExecPlan, in id: InstanceID, input: some AsyncSequence<ExecInput, any Error> & Sendable,
        output: @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws(OrchError) -> Int32 {
        guard shims[id] != nil else { throw OrchError(.conflict, "\(id) does not run: 'orch start \(id)' starts it") }
        let command = try program(of: id).command(plan.command, more: plan.terminal == nil ? [] : ["TERM=xterm"])
        return try await ProcessExec(launch: command, plan: plan).run(input: input, output: output)
    }

    /// The system's list of users is for one at a time, so this is done here.
    func program(of id: InstanceID) throws(OrchError) -> InstanceProgram {
        let folder = InstanceFolder(id, in: instancesFolder)
        guard let launch = folder.launch else { throw OrchError(.notFound, "there is no instance \(id)") }
        return try InstanceProgram(launch, folder, agent: agentEnvironment, door: access.folder)
    }

    package func observe(_ id: InstanceID) async -> InstanceObservation {
        guard let shim = shims[id] else { return InstanceObservation() }
        let (pid, cgroup) = (shim.pid, cgroups[id])
        return await runBlocking(name: "observe") {
            InstanceObservation(
                listening: ListeningPorts.of(Programs.tree(of: pid)), limits: cgroup?.limitsHit ?? [])
        }
    }

    package func usage(of id: InstanceID) async -> ResourceUsage? {
        guard let shim = shims[id] else { return nil }
        let (pid, limit) = (shim.pid, memoryLimits[id] ?? 0)
        return await runBlocking(name: "usage") {
            let used = ProcessUsage.below(pid)
            return ResourceUsage(
                processorSeconds: used.processorSeconds, memory: used.memory, memoryLimit: limit,
                processes: used.processes)
        }
    }
}
