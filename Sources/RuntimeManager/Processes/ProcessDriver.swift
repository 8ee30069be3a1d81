import COrchSystem
import FoundationEssentials
import Glibc
package import Logging
package import OrchModel
package import OrchSystem
import Synchronization

/// Runs instances as processes, each below an `orch-shim` of its own that outlives the agent.
///
/// Runs on a thread of its own, because starting a process blocks.
package actor ProcessDriver: RuntimeDriver {
    private let executor = ThreadExecutor(name: "runtime")
    let instancesFolder: String
    private let shimProgram: String
    let agentEnvironment: [String: String]
    let access: InstanceAccess
    private let openFiles: Int
    private let reactor: Reactor
    private let logger: Logger
    private let ports: PortAllocator
    private(set) var shims: [InstanceID: ShimConnection] = [:]
    private(set) var cgroups: [InstanceID: Cgroup] = [:]
    /// In bytes, of those that run; 0 for none.
    private(set) var memoryLimits: [InstanceID: Int64] = [:]
    private var limitNotices: Set<String> = []
    private let report: RuntimeReport
    private let endedShims = Mailbox<InstanceID>()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - shimProgram: the path of `orch-shim`.
    ///   - agentEnvironment: variables that every instance gets, such as the agent's address.
    ///   - ports: shared with the other drivers.
    ///   - openFiles: descriptors that an instance may have open where its module file says nothing.
    package init(
        instancesFolder: String, shimProgram: String, agentEnvironment: [String: String],
        access: InstanceAccess, ports: PortAllocator,
        openFiles: Int, reactor: Reactor, logger: Logger, report: @escaping RuntimeReport
    ) {
        self.instancesFolder = instancesFolder
        self.shimProgram = shimProgram
        self.agentEnvironment = agentEnvironment
        self.access = access
        self.ports = ports
        self.openFiles = openFiles
        self.reactor = reactor
        self.logger = logger
        self.report = report
    }

    /// Reports the ends of instances until the task is cancelled.
    package func run() async {
        await endedShims.forEachBatch { ids in
            for id in ids { shimEnded(id) }
        }
    }

    package var notices: [String] { limitNotices.sorted() }

    // MARK: Starting

    package func start(_ launch: InstanceLaunch, progress: @escaping LaunchProgress)
        async throws(OrchError) -> RunningInstance
    {
        let id = launch.id
        guard shims[id] == nil else { throw OrchError(.conflict, "instance \(id) runs already") }
        let allocated = try ports.allocate(launch.spec.ports, for: id, having: launch.ports)
        let (cgroup, notices) = Cgroup.make(for: id, limits: launch.spec.limits)
        for notice in notices where limitNotices.insert(notice).inserted { logger.notice("\(notice)") }
        cgroups[id] = cgroup
        memoryLimits[id] = launch.spec.limits.memory.bytes
        do throws(OrchError) {
            let folder = InstanceFolder(id, in: instancesFolder)
            try prepare(launch, folder, ports: allocated, cgroup: cgroup)
            let process = try await launchShim(folder)
            logger.info("instance started", metadata: ["instance": "\(id)", "pid": "\(process.pid)"])
            return RunningInstance(process: process, ports: allocated)
        } catch {
            forget(id)
            logger.warning("instance not started", metadata: ["instance": "\(id)", "cause": "\(error.message)"])
            throw error
        }
    }

    private func prepare(
        _ launch: InstanceLaunch, _ folder: InstanceFolder, ports: [String: Int], cgroup: Cgroup
    ) throws(OrchError) {
        let spec = launch.spec
        let user = spec.user.isEmpty ? nil : try SystemUser(named: spec.user)
        if let user, geteuid() != 0, user.uid != geteuid() {
            throw OrchError(
                .notAllowed, "only an agent that runs as root can start a module as '\(spec.user)': remove 'user'")
        }
        let environment = InstanceEnvironment(
            process: launch, ports: ports, folder: folder, agent: agentEnvironment, home: user?.home,
            door: access.folder)
        let workdir = Files.resolve(environment.expand(spec.workdir), in: spec.baseDirectory)
        guard Files.isFolder(workdir) else {
            throw OrchError(.notFound, "the working directory \(workdir) does not exist: correct 'workdir'")
        }
        let words = (spec.command + spec.args).map(environment.expand)
        guard let name = words.first, !name.isEmpty else { throw OrchError(.invalidRequest, "'command' is empty") }
        let program = try Programs.find(name, path: environment.variables["PATH"] ?? "", in: workdir)

        var plan = ShimPlan()
        plan.add("program", program)
        for word in words { plan.add("arg", word) }
        for variable in environment.list { plan.add("env", variable) }
        plan.add("workdir", workdir)
        // Only root may change the user; for anybody else it is the one already.
        if let user, geteuid() == 0 {
            plan.add("uid", user.uid)
            plan.add("gid", user.gid)
            for group in user.groups { plan.add("group", group) }
        }
        for entrance in cgroup.entrances { plan.add("cgroup", entrance) }
        // The agent has raised its own bound, which is no business of its instances: some look at every number below it.
        plan.add("open_files", spec.limits.openFiles > 0 ? spec.limits.openFiles : openFiles)
        let spool = max(spec.logs.spool.bytes, 1 << 20)
        plan.add("spool", spool)
        plan.add("segment", min(8 << 20, spool / 4))
        plan.add("when_full", spec.logs.whenFull.rawValue)
        var prepared = launch
        prepared.ports = ports
        try folder.prepare(prepared, plan)
        try ConfigurationWriter(folder: folder, environment: environment, spec: spec, tokens: access.tokens).write(
            for: user.map { .user($0.uid, $0.gid) } ?? .agent)
    }

    private func launchShim(_ folder: InstanceFolder) async throws(OrchError) -> ProcessIdentity {
        var ends: [Int32] = [-1, -1]
        do throws(SystemError) {
            try checked("pipe", orch_pipe(&ends))
        } catch {
            throw OrchError(.failed, "no more files can be opened: raise the agent's limit (ulimit -n)", cause: error)
        }
        let readEnd = Descriptor(owning: ends[0])
        let writeEnd = Descriptor(owning: ends[1])
        var program = ProgramLaunch(
            program: shimProgram, arguments: ["orch-shim", folder.id.rawValue], environment: [], workdir: folder.path)
        program.stdio.1 = writeEnd.number
        let shim: pid_t
        do throws(SystemError) {
            shim = try program.start()
        } catch {
            throw OrchError(.failed, "\(shimProgram) cannot be started: \(error.reason)", cause: error)
        }
        _ = consume writeEnd

        // The shim writes a line and closes its end, or ends; either makes the pipe readable.
        await waitUntilReadable(readEnd.number)
        var answer = [UInt8](repeating: 0, count: 256)
        let count = (try? readEnd.read(into: &answer)) ?? 0
        let text = String(decoding: answer[0..<count], as: UTF8.self)
        guard let process = ShimConnection.process(in: text, word: "started") else {
            reap(shim)
            // A shim that an earlier agent started in its last moment holds the instance: it is the one we wanted.
            if let found = ShimConnection.ask(folder), (try? watch(found.shim, folder)) != nil { return found.process }
            throw Self.launchFailure(text, folder)
        }
        do throws(SystemError) {
            try watch(shim, folder)
        } catch {
            // It would run without anybody who knows of it.
            kill(shim, SIGTERM)
            throw OrchError(.failed, "instance \(folder.id) cannot be watched", cause: error)
        }
        return process
    }

    private func waitUntilReadable(_ descriptor: Int32) async {
        let reactor = reactor
        let token = Mutex<Reactor.Token?>(nil)
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            // Level-triggered: the handler may run again before it is unwatched, and must resume once.
            let isResumed = Mutex(false)
            let watched = try? reactor.watch(descriptor) {
                let isFirst = isResumed.withLock { resumed in
                    defer { resumed = true }
                    return !resumed
                }
                if isFirst { continuation.resume() }
            }
            token.withLock { $0 = watched }
            if watched == nil { continuation.resume() }
        }
        if let token = token.withLock(\.self) {
            // The descriptor may be closed, and its number used again, only when the reactor has let go of it.
            await withCheckedContinuation { continuation in reactor.unwatch(token) { continuation.resume() } }
        }
    }

    /// What the shim's `failed STEP ERRNO` means.
    private static func launchFailure(_ text: String, _ folder: InstanceFolder) -> OrchError {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 3, fields[0] == "failed", let step = UInt32(fields[1]), let errno = Int32(fields[2])
        else {
            return OrchError(.failed, "orch-shim ended before the program ran")
        }
        let reason = SystemError.reason(errno)
        let program = folder.launch?.spec.command.first ?? "the program"
        return switch orch_spawn_step(step) {
        case orch_step_exec where errno == ENOEXEC:
            OrchError(
                .invalidRequest, "\(program) is no program that this machine can run: begin a script with '#!/bin/sh'")
        case orch_step_exec: OrchError(.invalidRequest, "\(program) cannot be executed: \(reason)")
        case orch_step_user: OrchError(.notAllowed, "the user cannot be changed: \(reason)")
        case orch_step_workdir: OrchError(.invalidRequest, "the working directory cannot be entered: \(reason)")
        case orch_step_cgroup: OrchError(.failed, "the control group cannot be entered: \(reason)")
        default: OrchError(.failed, "the instance cannot be started (step \(step)): \(reason)")
        }
    }

    // MARK: Watching

    private func watch(_ shim: pid_t, _ folder: InstanceFolder) throws(SystemError) {
        let (mailbox, id) = (endedShims, folder.id)
        let isReported = Mutex(false)
        shims[id] = try ShimConnection(pid: shim, folder: folder, reactor: reactor) {
            let isFirst = isReported.withLock { reported in
                defer { reported = true }
                return !reported
            }
            if isFirst { mailbox.send(id) }
        }
    }

    private func shimEnded(_ id: InstanceID) {
        guard shims[id] != nil else { return }
        let folder = InstanceFolder(id, in: instancesFolder)
        // A shim that was killed has left nothing behind that tells.
        var exit = folder.exit ?? Exit(code: nil, signal: SIGKILL, at: .now())
        // Another process of the tree may have been killed for it, which is not how this one ended.
        exit.outOfMemory = exit.signal == SIGKILL && cgroups[id]?.wasOutOfMemory ?? false
        forget(id)
        logger.info("instance ended", metadata: ["instance": "\(id)", "exit": "\(exit)"])
        report(id, .ended(exit))
    }

    private func forget(_ id: InstanceID) {
        shims.removeValue(forKey: id)?.close()
        cgroups.removeValue(forKey: id)?.remove()
        memoryLimits[id] = nil
        ports.release(id)
    }

    private func reap(_ pid: pid_t) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }

    // MARK: Stopping and finding again

    package func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError) {
        guard let shim = shims[id] else {
            // Whoever waits for its end must not wait for ever. When it has just ended, the true report came before this.
            let exit = InstanceFolder(id, in: instancesFolder).exit ?? Exit(code: nil, signal: SIGKILL, at: .now())
            report(id, .ended(exit))
            return
        }
        do throws(SystemError) {
            try shim.send("stop \(signal) \(grace.milliseconds)")
        } catch {
            // It may be ending this very moment, which is as good.
            if error.errno != ENOENT, error.errno != ECONNREFUSED {
                throw OrchError(.failed, "instance \(id) cannot be stopped: \(error)", cause: error)
            }
        }
    }

    package func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance {
        let folder = InstanceFolder(id, in: instancesFolder)
        let launch = folder.launch
        // The folder was written before the start, a record of its ports only after it.
        let ports = launch?.ports ?? ports
        if let found = ShimConnection.ask(folder), (try? watch(found.shim, folder)) != nil {
            self.ports.hold(ports, for: id)
            cgroups[id] = Cgroup.existing(for: id)
            memoryLimits[id] = launch?.spec.limits.memory.bytes
            return .running(RunningInstance(process: found.process, ports: ports))
        }
        if let exit = folder.exit {
            Cgroup.existing(for: id).remove()
            return .ended(exit)
        }
        // Its shim was killed: what it left runs without a log, and would hold its ports.
        if let process, process.isAlive { kill(-process.pid, SIGKILL) }
        return .absent
    }

    package func discard(_ id: InstanceID) async {
        forget(id)
    }
}
