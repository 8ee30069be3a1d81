import AsyncHTTPClient
package import ContainerEngine
import Glibc
package import Logging
import NIOCore
import NIOPosix
import OrchModel
import OrchSystem

/// Runs instances as containers of Docker or Podman, which keep them while the agent is away.
///
/// Each start makes a container anew. The engine restarts nothing by itself: that is the deployer's to decide.
package actor ContainerDriver: RuntimeDriver {
    /// An instance whose container runs, as far as is known.
    struct Running: Sendable {
        let engine: EngineAddress
        let container: String
        let ports: [String: Int]
        let launch: InstanceLaunch
        /// Its end is being looked into.
        var isEnding = false
        var wasOutOfMemory = false
    }

    /// What goes on by itself in ``run()``.
    enum Work: Sendable {
        case watch(EngineAddress)
        case keepOutput(InstanceID, Running)
        case kill(InstanceID, container: String, after: TimeSpan)
        case conclude(InstanceID, container: String, after: Duration)
    }

    static let retryInterval = Duration.milliseconds(500)
    /// Output that is not read so long after the end is not waited for any more.
    static let outputPatience = Duration.seconds(5)

    let instancesFolder: String
    let finder: EngineFinder
    let owner: String
    let outputs: any OutputKeeper
    let images: any ImageSource
    let access: InstanceAccess
    let ports: PortAllocator
    let logger: Logger
    private let http: HTTPClient
    var clients: [EngineAddress: EngineClient] = [:]
    var watched: Set<EngineAddress> = []
    /// Engines that do not answer, while something of ours runs there.
    var away: Set<EngineAddress> = []
    var running: [InstanceID: Running] = [:]
    /// Of how many containers of an instance output is still to be read.
    var outputsOpen: [InstanceID: Int] = [:]
    let outputsChanged = Signal()
    /// Instances that are being checked from within.
    var checking: Set<InstanceID> = []
    /// How many containers are being started, by their network.
    var starting: [String: Int] = [:]
    /// Networks that are there, as far as is known.
    var networks: [EngineAddress: Set<String>] = [:]
    /// Networks and images are made, fetched and removed by one at a time: engines make two networks of one name.
    let gate = KeyedGate()
    let works = Mailbox<Work>()
    let report: RuntimeReport

    /// - Parameters:
    ///   - owner: of the containers, unlike that of every other agent: the path of its data directory.
    ///   - ports: shared with the other drivers.
    package init(
        instancesFolder: String, finder: EngineFinder, owner: String, outputs: any OutputKeeper,
        images: any ImageSource, access: InstanceAccess,
        ports: PortAllocator, logger: Logger, report: @escaping RuntimeReport
    ) {
        self.instancesFolder = instancesFolder
        self.finder = finder
        self.owner = owner
        self.outputs = outputs
        self.images = images
        self.access = access
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
        case .keepOutput(let id, let entry): await keepOutput(of: id, entry)
        case .kill(let id, let container, let grace):
            // Cancelled when the agent ends: the next one finds out what is left to do.
            do { try await Task.sleep(for: grace.duration) } catch { return }
            await kill(id, container)
        case .conclude(let id, let container, let delay):
            do { try await Task.sleep(for: delay) } catch { return }
            await conclude(id, container)
        }
    }

    package var notices: [String] { away.map { "the container engine at \($0.socket) does not answer" }.sorted() }

    // MARK: Engines

    func client(at address: EngineAddress) async throws(OrchError) -> EngineClient {
        if let known = clients[address] { return known }
        return use(try await EngineClient.connect(to: [address], http: http))
    }

    func client(for runtime: RuntimeKind) async throws(OrchError) -> EngineClient {
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
                try await client(at: address).followEvents(label: ContainerLabel.agent, value: owner) {
                    try await self.reconcile(address)
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

    /// Looks at every container that shall run at an engine which has not been listened to for a while, and removes those
    /// that no instance has any more.
    private func reconcile(_ address: EngineAddress) async throws(OrchError) {
        guard let client = clients[address] else { return }
        for (id, entry) in running where entry.engine == address {
            let state = try await client.container(entry.container)
            guard let now = running[id], now.container == entry.container, !now.isEnding else { continue }
            if let state, state.isRunning {
                if away.contains(address) { report(id, .found(.running(identity(of: state, ports: entry.ports)))) }
            } else if state?.isNew != true {
                works.send(.conclude(id, container: entry.container, after: .zero))
            }
        }
        if away.remove(address) != nil {
            logger.notice("a container engine is back", metadata: ["engine": "\(address.socket)"])
        }
        try await removeOrphans(client)
    }

    /// Containers whose instances are gone: an agent was killed between making one and writing that down, or an instance was
    /// removed while the engine was away.
    private func removeOrphans(_ client: EngineClient) async throws(OrchError) {
        for container in try await client.containers(label: ContainerLabel.agent, value: owner) {
            guard let labels = try await client.container(container)?.labels, labels[ContainerLabel.agent] == owner,
                let id = labels[ContainerLabel.instance].flatMap(InstanceID.init(rawValue:)),
                !Files.exists(InstanceFolder(id, in: instancesFolder).path)
            else { continue }
            logger.notice(
                "a container without an instance is removed", metadata: ["container": "\(container.prefix(12))"])
            try await client.removeContainer(container)
        }
    }

    func identity(of state: ContainerState, ports: [String: Int]) -> RunningInstance {
        RunningInstance(process: ProcessIdentity(running: state.pid ?? 0), ports: ports)
    }
}
