import AsyncHTTPClient
package import ContainerEngine
import Glibc
package import Logging
import NIOCore
import NIOPosix
package import OrchModel
import OrchSystem

/// Runs instances as containers of Docker or Podman, which keep them while the agent is away.
///
/// Each start makes a container anew. The engine restarts nothing by itself: that is the deployer's to decide.
package actor ContainerDriver: RuntimeDriver {
    /// An instance whose container runs, as far as is known.
    private struct Running {
        let engine: EngineAddress
        let container: String
        let ports: [String: Int]
        let launch: InstanceLaunch
        /// Its end is being looked into.
        var isEnding = false
        var wasOutOfMemory = false
    }

    /// What goes on by itself in ``run()``.
    private enum Work: Sendable {
        case watch(EngineAddress)
        case keepOutput(InstanceID, container: String)
        case kill(InstanceID, container: String, after: TimeSpan)
        case conclude(InstanceID, container: String, after: Duration)
    }

    private static let retryInterval = Duration.milliseconds(500)
    /// Output that is not read so long after the end is not waited for any more.
    private static let outputPatience = Duration.seconds(5)

    private let instancesFolder: String
    private let finder: EngineFinder
    private let owner: String
    private let outputs: any OutputKeeper
    private let ports: PortAllocator
    private let logger: Logger
    private let http: HTTPClient
    private var clients: [EngineAddress: EngineClient] = [:]
    private var watched: Set<EngineAddress> = []
    /// Engines that do not answer, while something of ours runs there.
    private var away: Set<EngineAddress> = []
    private var running: [InstanceID: Running] = [:]
    /// Instances whose output is read, with the container that it comes from.
    private var outputsOpen: [InstanceID: String] = [:]
    private let outputsChanged = Signal()
    /// How many containers are being started, by their network.
    private var starting: [String: Int] = [:]
    /// Networks that are there, as far as is known.
    private var networks: [EngineAddress: Set<String>] = [:]
    /// Networks and images are made, fetched and removed by one at a time: engines make two networks of one name.
    private let gate = KeyedGate()
    private let works = Mailbox<Work>()
    private let report: RuntimeReport

    /// - Parameters:
    ///   - owner: of the containers, unlike that of every other agent: the path of its data directory.
    ///   - ports: shared with the other drivers.
    package init(
        instancesFolder: String, finder: EngineFinder, owner: String, outputs: any OutputKeeper, ports: PortAllocator,
        logger: Logger, report: @escaping RuntimeReport
    ) {
        self.instancesFolder = instancesFolder
        self.finder = finder
        self.owner = owner
        self.outputs = outputs
        self.ports = ports
        self.logger = logger
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(2)
        // Each container's output is an answer that does not end.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 10_000
        http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
        self.report = report
    }

    package func run() async {
        await withDiscardingTaskGroup { group in
            await works.forEachBatch { batch in
                for work in batch { group.addTask { await self.perform(work) } }
            }
            group.cancelAll()
        }
        try? await http.shutdown()
    }

    private func perform(_ work: Work) async {
        switch work {
        case .watch(let address): await watch(address)
        case .keepOutput(let id, let container): await keepOutput(of: id, container)
        case .kill(let id, let container, let grace):
            try? await Task.sleep(for: grace.duration)
            guard let entry = running[id], entry.container == container else { return }
            try? await clients[entry.engine]?.killContainer(container, signal: SIGKILL)
        case .conclude(let id, let container, let delay):
            try? await Task.sleep(for: delay)
            await conclude(id, container)
        }
    }

    package var notices: [String] { away.map { "the container engine at \($0.socket) does not answer" }.sorted() }

    // MARK: Engines

    private func client(at address: EngineAddress) async throws(OrchError) -> EngineClient {
        if let known = clients[address] { return known }
        return use(try await EngineClient.connect(to: [address], http: http))
    }

    private func client(for runtime: RuntimeKind) async throws(OrchError) -> EngineClient {
        let kinds: [EngineKind] =
            switch runtime {
            case .docker: [.docker]
            case .podman: [.podman]
            case .process, .auto: [.docker, .podman]
            }
        let addresses = try finder.addresses(of: kinds)
        if let known = addresses.lazy.compactMap({ self.clients[$0] }).first { return known }
        return use(try await EngineClient.connect(to: addresses, http: http))
    }

    private func use(_ client: EngineClient) -> EngineClient {
        clients[client.address] = client
        if watched.insert(client.address).inserted { works.send(.watch(client.address)) }
        return client
    }

    /// Takes what an engine tells of our containers, for as long as there are any, and finds out what is missing whenever it
    /// was away.
    private func watch(_ address: EngineAddress) async {
        while !Task.isCancelled {
            var reason = "the connection to the container engine broke off"
            do {
                try await client(at: address).followEvents(label: "\(ContainerLabel.agent)=\(owner)") {
                    await self.reconcile(address)
                } _: { event in
                    self.take(event)
                }
            } catch {
                reason = error.message
            }
            clients[address] = nil
            networks[address] = nil
            let ours = running.filter { $0.value.engine == address }.keys
            if ours.isEmpty {
                away.remove(address)
                watched.remove(address)
                return
            }
            if !Task.isCancelled, away.insert(address).inserted {
                logger.warning("a container engine is away", metadata: ["cause": "\(reason)"])
                for id in ours { report(id, .found(.unreachable(reason))) }
            }
            try? await Task.sleep(for: Self.retryInterval)
        }
    }

    private func take(_ event: EngineEvent) {
        guard let id = running.first(where: { $0.value.container == event.container })?.key else { return }
        switch event.action {
        case "oom": running[id]?.wasOutOfMemory = true
        case "die", "died", "destroy", "remove":
            // Mostly its output ends first, which tells as much.
            works.send(.conclude(id, container: event.container, after: Self.outputPatience))
        default: break
        }
    }

    /// Looks at every container that shall run at an engine which has not been listened to for a while.
    private func reconcile(_ address: EngineAddress) async {
        let wasAway = away.remove(address) != nil
        if wasAway { logger.notice("a container engine is back", metadata: ["engine": "\(address.socket)"]) }
        for (id, entry) in running where entry.engine == address {
            guard let client = clients[address] else { return }
            do throws(OrchError) {
                guard let state = try await client.container(entry.container), state.isRunning else {
                    works.send(.conclude(id, container: entry.container, after: .zero))
                    continue
                }
                if wasAway { report(id, .found(.running(identity(of: state, ports: entry.ports)))) }
            } catch {
                // The next round finds out.
                return
            }
        }
    }

    private func identity(of state: ContainerState, ports: [String: Int]) -> RunningInstance {
        RunningInstance(process: ProcessIdentity(running: state.pid ?? 0), ports: ports)
    }

    // MARK: Starting

    package func start(_ launch: InstanceLaunch, progress: @escaping @Sendable (String) -> Void)
        async throws(OrchError) -> RunningInstance
    {
        let id = launch.id
        guard running[id] == nil else { throw OrchError(.conflict, "instance \(id) runs already") }
        let client = try await client(for: launch.spec.runtime)
        try await removeEarlier(id)
        let allocated = try ports.allocate(launch.spec.ports, for: id, having: launch.ports)
        do throws(OrchError) {
            return try await start(launch, ports: allocated, client, progress)
        } catch {
            running[id] = nil
            ports.release(id)
            logger.warning("instance not started", metadata: ["instance": "\(id)", "cause": "\(error.message)"])
            throw error
        }
    }

    private func start(
        _ launch: InstanceLaunch, ports: [String: Int], _ client: EngineClient,
        _ progress: @escaping @Sendable (String) -> Void
    ) async throws(OrchError) -> RunningInstance {
        let id = launch.id
        let folder = InstanceFolder(id, in: instancesFolder)
        var prepared = launch
        prepared.ports = ports
        try folder.prepare(prepared)
        let environment = InstanceEnvironment(
            container: launch, ports: launch.spec.containerPorts(for: ports),
            configuration: ContainerPaths.configuration)
        try ConfigurationWriter(folder: folder, environment: environment, spec: launch.spec)
            .write(for: Self.reader(launch.spec.user))
        let plan = ContainerPlan(launch, ports: ports, environment: environment, folder: folder, agent: owner)
        starting[plan.network, default: 0] += 1
        defer { starting[plan.network, default: 1] -= 1 }
        try await makeNetwork(plan.network, client)
        let container = try await create(id, plan, client, progress)
        do throws(OrchError) {
            try folder.note(ContainerRecord(engine: client.address, container: container))
            running[id] = Running(engine: client.address, container: container, ports: ports, launch: prepared)
            try await client.startContainer(container)
        } catch {
            // It may have been removed by hand.
            networks[client.address]?.remove(plan.network)
            try? await client.removeContainer(container)
            throw error
        }
        works.send(.keepOutput(id, container: container))
        let state = try? await client.container(container)
        logger.info(
            "instance started", metadata: ["instance": "\(id)", "container": "\(container.prefix(12))"])
        return RunningInstance(process: ProcessIdentity(running: state?.pid ?? 0), ports: ports)
    }

    private static func reader(_ user: String) -> ConfigurationWriter.Reader {
        let numbers = user.split(separator: ":").map { UInt32($0) }
        guard let first = numbers.first, let uid = first else { return .containerUser }
        guard numbers.count > 1 else { return .user(uid, uid) }
        return numbers[1].map { .user(uid, $0) } ?? .containerUser
    }

    /// The container of an earlier start goes once its output is kept.
    private func removeEarlier(_ id: InstanceID) async throws(OrchError) {
        guard let earlier = InstanceFolder(id, in: instancesFolder).container else { return }
        await waitForOutput(of: id)
        try await client(at: earlier.engine).removeContainer(earlier.container)
    }

    private func makeNetwork(_ network: String, _ client: EngineClient) async throws(OrchError) {
        if networks[client.address]?.contains(network) == true { return }
        try await gate.pass(network) { [owner] () throws(OrchError) in
            try await client.ensureNetwork(network, labels: [ContainerLabel.agent: owner])
        }
        networks[client.address, default: []].insert(network)
    }

    /// Makes a container; its image is fetched where the engine does not have it.
    private func create(
        _ id: InstanceID, _ plan: ContainerPlan, _ client: EngineClient,
        _ progress: @escaping @Sendable (String) -> Void
    ) async throws(OrchError) -> String {
        do throws(OrchError) {
            return try await client.createContainer(id.rawValue, plan)
        } catch  where error.code == .notFound {
            try await fetch(plan.image, client, progress)
            return try await client.createContainer(id.rawValue, plan)
        }
    }

    private func fetch(_ image: String, _ client: EngineClient, _ progress: @escaping @Sendable (String) -> Void)
        async throws(OrchError)
    {
        do throws(OrchError) {
            try await gate.pass(image) { () throws(OrchError) in
                if try await client.image(image) != nil { return }
                progress("fetching \(image)")
                var told = ContinuousClock.now
                try await client.pullImage(image) { state in
                    guard .now - told >= .seconds(1), state.total > 0 else { return }
                    told = .now
                    progress("fetching \(image): \(ByteSize(bytes: state.done)) of \(ByteSize(bytes: state.total))")
                }
            }
        } catch {
            throw OrchError(
                error.code, "the image \(image) is not there and cannot be fetched: \(error.message)", cause: error)
        }
    }

    // MARK: Output and ends

    /// Keeps what a container prints until its end, over restarts of the engine, and then reports the end.
    private func keepOutput(of id: InstanceID, _ container: String) async {
        guard let entry = running[id], entry.container == container else { return }
        outputsOpen[id] = container
        defer {
            if outputsOpen[id] == container { outputsOpen[id] = nil }
            outputsChanged.send()
        }
        let spool = InstanceFolder(id, in: instancesFolder).spool
        while !Task.isCancelled {
            do throws(OrchError) {
                let since = try await outputs.open(id, spool: spool, limits: entry.launch.spec.logs)
                let client = try await client(at: entry.engine)
                try await client.followOutput(of: container, since: since) { [outputs] entries in
                    try await outputs.keep(entries, of: id)
                }
                // The engine ends the answer when the container has ended.
                if try await client.container(container)?.isRunning != true {
                    await conclude(id, container)
                    return
                }
            } catch  where error.code == .notFound {
                await conclude(id, container)
                return
            } catch {
                logger.debug("output is not read", metadata: ["instance": "\(id)", "cause": "\(error.message)"])
            }
            try? await Task.sleep(for: Self.retryInterval)
        }
    }

    /// Returns once the output of an instance's last container is kept, or after a while.
    private func waitForOutput(of id: InstanceID) async {
        guard outputsOpen[id] != nil else { return }
        let changes = outputsChanged.listen()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in changes where await self.outputsOpen[id] == nil { return } }
            group.addTask { try? await Task.sleep(for: Self.outputPatience) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Reports an end, unless the container runs after all or its engine cannot say.
    private func conclude(_ id: InstanceID, _ container: String) async {
        guard let entry = running[id], entry.container == container, !entry.isEnding,
            let client = clients[entry.engine]
        else { return }
        running[id]?.isEnding = true
        let state: ContainerState?
        do throws(OrchError) {
            state = try await client.container(container)
        } catch {
            running[id]?.isEnding = false
            return
        }
        if state?.isRunning == true {
            running[id]?.isEnding = false
            return
        }
        // One that was removed by hand has left nothing behind that tells.
        var exit = state?.exit ?? Exit(code: nil, signal: SIGKILL, at: .now())
        if running[id]?.wasOutOfMemory == true, exit.signal == SIGKILL { exit.outOfMemory = true }
        running[id] = nil
        ports.release(id)
        logger.info("instance ended", metadata: ["instance": "\(id)", "exit": "\(exit)"])
        report(id, .ended(exit))
    }

    // MARK: Stopping and finding again

    package func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError) {
        guard let entry = running[id] else {
            // Whoever waits for its end must not wait for ever. When it has just ended, the true report came before this.
            report(id, .ended(Exit(code: nil, signal: SIGKILL, at: .now())))
            return
        }
        do throws(OrchError) {
            try await client(at: entry.engine).killContainer(entry.container, signal: signal)
            works.send(.kill(id, container: entry.container, after: grace))
        } catch  where error.code == .conflict || error.code == .notFound {
            // It may be ending this very moment, or be gone, which is as good.
            works.send(.conclude(id, container: entry.container, after: .zero))
        }
    }

    package func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance {
        let folder = InstanceFolder(id, in: instancesFolder)
        guard let record = folder.container, let launch = folder.launch else { return .absent }
        let entry = Running(
            engine: record.engine, container: record.container, ports: launch.ports, launch: launch)
        do throws(OrchError) {
            guard let state = try await client(at: record.engine).container(record.container), !state.isNew else {
                return .absent
            }
            if let exit = state.exit, !state.isRunning {
                // What it has printed last may not be kept yet.
                await keepRest(of: id, entry)
                return .ended(exit)
            }
            adopt(id, entry)
            return .running(identity(of: state, ports: launch.ports))
        } catch {
            adopt(id, entry)
            if away.insert(record.engine).inserted { watchLater(record.engine) }
            return .unreachable(error.message)
        }
    }

    private func adopt(_ id: InstanceID, _ entry: Running) {
        running[id] = entry
        ports.hold(entry.ports, for: id)
        works.send(.keepOutput(id, container: entry.container))
    }

    private func watchLater(_ address: EngineAddress) {
        if watched.insert(address).inserted { works.send(.watch(address)) }
    }

    private func keepRest(of id: InstanceID, _ entry: Running) async {
        let spool = InstanceFolder(id, in: instancesFolder).spool
        do throws(OrchError) {
            let since = try await outputs.open(id, spool: spool, limits: entry.launch.spec.logs)
            try await client(at: entry.engine).followOutput(of: entry.container, since: since) { [outputs] entries in
                try await outputs.keep(entries, of: id)
            }
        } catch {
            logger.warning(
                "the last lines of a container cannot be read",
                metadata: ["instance": "\(id)", "cause": "\(error.message)"])
        }
    }

    package func discard(_ id: InstanceID) async {
        await waitForOutput(of: id)
        running[id] = nil
        ports.release(id)
        await outputs.close(id)
        let folder = InstanceFolder(id, in: instancesFolder)
        guard let record = folder.container else { return }
        do throws(OrchError) {
            let client = try await client(at: record.engine)
            try await client.removeContainer(record.container)
            if let spec = folder.launch?.spec { await removeNetworkIfUnused(spec.networkName, client) }
        } catch {
            logger.warning(
                "a container is left behind: remove it with 'docker rm'",
                metadata: ["container": "\(record.container.prefix(12))", "cause": "\(error.message)"])
        }
    }

    private func removeNetworkIfUnused(_ network: String, _ client: EngineClient) async {
        await gate.pass(network) {
            // Those of others the engine sees by itself.
            if await self.forget(network, at: client.address) { await client.removeNetwork(network) }
        }
    }

    /// - Returns: whether none of ours uses it; from then on it is made anew where it is wanted.
    private func forget(_ network: String, at address: EngineAddress) -> Bool {
        let isUsed =
            starting[network, default: 0] > 0 || running.values.contains { $0.launch.spec.networkName == network }
        if !isUsed { networks[address]?.remove(network) }
        return !isUsed
    }

    // MARK: Looking inside

    package func check(_ id: InstanceID, _ health: HealthSpec) async -> String? {
        guard let entry = running[id] else { return "it does not run" }
        do throws(OrchError) {
            let client = try await client(at: entry.engine)
            if health.type == .image { return try await imageCheck(entry, client) }
            let outcome = try await client.execute(health.command, in: entry.container)
            guard outcome.status != 0 else { return nil }
            let words = outcome.output.split(separator: "\n").last.map { ": \($0)" } ?? ""
            return "the check ended with \(outcome.status)\(words)"
        } catch {
            return "the check cannot run: \(error.message)"
        }
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
        let found = await runBlocking(name: "observe") { ListeningPorts.inNamespace(of: pid) }
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
