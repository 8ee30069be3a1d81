import ContainerEngine
import Deployer
import Glibc
import LoadBalancer
import LogBroker
import Logging
import LoggingModule
import OrchKafka
package import OrchModel
import OrchStore
import OrchSystem
import RepositoryManager
import RequestManager
import RuntimeManager
import ServiceLifecycle
import UnixSignals

/// The control plane in one process: builds every service, orders them, and runs them until it is told to end.
package struct Agent: Sendable {
    let settings: AgentSettings
    let startedAt: Timestamp
    let store: Store
    let deployer: Deployer
    let balancer: LoadBalancer
    let runtime: LocalRuntime
    let shipper: Shipper
    let artifacts: ArtifactRepository
    let repository: ModuleRepository
    let requests: RequestLog
    let events: EventHub
    let logReader: LogReader
    let brokerAddress: String
    let notices: [String]
    let token: String
    let instanceTokens: InstanceTokens
    let builds = KeyedGate()
    let activity = ActivityHistory()
    let sessions: Sessions
    let webDoor: WebDoor

    /// Runs an agent until SIGTERM or SIGINT. Instances go on running unless the settings say otherwise.
    ///
    /// - Throws: ``OrchError`` when it cannot start: `conflict` for a data directory that is in use or a taken port,
    ///   `notAllowed` for one that cannot be written.
    package static func run(_ settings: AgentSettings) async throws {
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        let openFiles = ResourceLimits.openFiles
        ResourceLimits.raiseOpenFiles()
        try prepareDataDirectory(settings)
        let lock = try await lock(settings.dataDirectory)
        try await start(settings, openFilesOfInstances: openFiles)
        _ = consume lock
    }

    /// How long an agent that was killed may still hold the directory: until the system has taken it apart.
    private static let lockPatience = Duration.seconds(3)
    private static let lockPause = Duration.milliseconds(20)

    private static func lock(_ data: String) async throws -> FolderLock {
        let deadline = ContinuousClock.now + lockPatience
        while true {
            if let lock = try FolderLock.take(AgentPaths.lock(in: data)) { return lock }
            guard ContinuousClock.now < deadline else { break }
            try await Task.sleep(for: lockPause)
        }
        throw OrchError(
            .conflict, "another agent uses \(data): stop it, or choose another directory with --data-dir")
    }

    private static func prepareDataDirectory(_ settings: AgentSettings) throws(OrchError) {
        let data = settings.dataDirectory
        do throws(SystemError) {
            // Others may pass through to their own configuration, which lies below; nothing else is open to them.
            for folder in [data, AgentPaths.instances(in: data), AgentPaths.door(in: data)] {
                try Files.makeFolder(folder)
                try Files.allowPassing(folder)
            }
            try Files.replace("\(data)/.writable", with: "")
            Files.remove("\(data)/.writable")
        } catch {
            throw OrchError(
                .notAllowed,
                "the data directory \(data) cannot be written (\(error.reason)): choose another with --data-dir",
                cause: error)
        }
        guard !Files.exists(settings.socket) || Files.isSocket(settings.socket) else {
            throw OrchError(.conflict, "\(settings.socket) is there and is no socket: choose another with --socket")
        }
        guard settings.socket.utf8.count <= Sockets.longestPath else {
            throw OrchError(
                .invalidRequest,
                "the socket's path has \(settings.socket.utf8.count) bytes, more than \(Sockets.longestPath): choose a shorter one with --socket"
            )
        }
    }

    private static func start(_ settings: AgentSettings, openFilesOfInstances: Int) async throws {
        let data = settings.dataDirectory
        let level = Logger.Level(rawValue: settings.logLevel) ?? .info
        let controlLog = try ControlLog(folder: AgentPaths.control(in: data), topics: TopicName.reserved, level: level)
        let logger = controlLog.logger(.deployer)
        var notices: [String] = []
        let store = try Store(path: AgentPaths.database(in: data))
        if case .replaced(let damaged) = store.origin {
            notices.append(
                "the database was damaged and lies at \(damaged); services were rebuilt from the instances that run")
        }

        let reactor = try Reactor(name: "reactor")
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = []
        let loggingLogger = controlLog.logger(.logging)
        let kafka: KafkaSettings
        let admin: KafkaAdmin
        let topics: any TopicSource
        if let brokers = settings.kafka {
            kafka = KafkaSettings(brokers: brokers, properties: try kafkaProperties(settings))
            try kafka.check()
            admin = KafkaAdmin(settings: kafka, reactor: reactor)
            topics = KafkaTopicSource(settings: kafka, reactor: reactor, admin: admin, logger: loggingLogger)
        } else {
            let broker = try await embeddedBroker(settings, loggingLogger)
            kafka = KafkaSettings(brokers: "127.0.0.1:\(broker.port)")
            admin = KafkaAdmin(settings: kafka, reactor: reactor)
            topics = LocalTopicSource(broker.topics)
            services.append(.init(service: broker))
        }
        let shipped = Signal()
        let topicFiles = try TopicFiles(
            folder: AgentPaths.logs(in: data), settings: kafka, reactor: reactor, admin: admin, shipped: shipped,
            logger: loggingLogger)
        let shipper = try Shipper(
            settings: kafka, reactor: reactor, acknowledgements: shipped, logger: loggingLogger
        ) { topicFiles.add($0) }
        for topic in TopicName.reserved {
            try await shipper.add(topic.rawValue, topic: topic, folder: "\(AgentPaths.control(in: data))/\(topic)")
        }
        for topic in TopicName.reserved { topicFiles.add(topic) }
        let runtimeLogger = controlLog.logger(.runtimeManager)
        // An instance is told of once for each start, and once for each time that its engine goes away.
        let (news, newsContinuation) = AsyncStream.makeStream(of: (InstanceID, RuntimeNews).self)
        let ports = PortAllocator()
        let token = try token(in: data)
        let access = InstanceAccess(
            folder: AgentPaths.door(in: data), socket: AgentPaths.doorSocket, tokens: InstanceTokens(secret: token))
        let processes = ProcessDriver(
            instancesFolder: AgentPaths.instances(in: data), shimProgram: Files.sibling("orch-shim"),
            agentEnvironment: ["ORCH_SOCKET": settings.socket, "ORCH_DATA_DIR": data, "ORCH_BROKERS": kafka.brokers],
            access: access, ports: ports, openFiles: openFilesOfInstances, reactor: reactor, logger: runtimeLogger
        ) { newsContinuation.yield(($0, $1)) }
        var limits = ArchiveLimits.standard
        if let size = settings.artifactSize { limits.bytes = size }
        let artifacts = try await ArtifactRepository(
            folder: AgentPaths.repository(in: data), limits: limits, catalog: store,
            isCatalogNew: store.origin != .existing, logger: controlLog.logger(.repositoryManager))
        let containers = ContainerDriver(
            instancesFolder: AgentPaths.instances(in: data), finder: EngineFinder(environment: engineVariables),
            owner: data, outputs: SpooledOutput(spools: OutputSpools()), images: RepositoryImages(artifacts: artifacts),
            access: access,
            ports: ports, logger: runtimeLogger
        ) { newsContinuation.yield(($0, $1)) }
        let runtime = LocalRuntime(
            processes: processes, containers: containers, news: news, shipper: shipper, topicFiles: topicFiles,
            instancesFolder: AgentPaths.instances(in: data), logger: loggingLogger)
        let views = ViewWriter(data: data, logger: controlLog.logger(.loadBalancer))
        let hub = EventHub(controlLog: controlLog, views: views)
        let trafficNotices = Mailbox<TrafficNotice>()
        let balancer = try await LoadBalancer(logger: controlLog.logger(.loadBalancer)) { trafficNotices.send($0) }
        let deployer = Deployer(
            runtime: runtime, journal: StoreJournal(store: store), observer: hub, traffic: balancer,
            placement: LocalPlacement(), serverName: Servers.local, logger: logger)
        try await deployer.restore()

        let agent = Agent(
            settings: settings, startedAt: .now(), store: store, deployer: deployer, balancer: balancer,
            runtime: runtime,
            shipper: shipper,
            artifacts: artifacts, repository: ModuleRepository(artifacts: artifacts, deployed: deployer),
            requests: RequestLog(history: store, logger: controlLog.logger(.requestManager)), events: hub,
            logReader: LogReader(source: topics),
            brokerAddress: kafka.brokers, notices: notices, token: token,
            instanceTokens: access.tokens,
            sessions: Sessions(secret: token, endedFile: AgentPaths.endedSessions(in: data)),
            webDoor: WebDoor(
                port: settings.httpPort, addressFile: AgentPaths.address(in: data),
                portFile: AgentPaths.httpPort(in: data),
                logger: controlLog.logger(.requestManager)))

        // What is named first is stopped last: the API stops taking requests before anybody it asks is gone.
        services.append(.init(service: BackgroundService(onShutdown: { shipper.finish() }) { try await shipper.run() }))
        services.append(.init(service: BackgroundService { await admin.closeWhenIdle() }))
        services.append(.init(service: BackgroundService { await topicFiles.run() }))
        services.append(.init(service: BackgroundService { await views.run() }))
        services.append(.init(service: BackgroundService { await balancer.run() }))
        services.append(
            .init(
                service: BackgroundService {
                    var traffic = await TrafficEvents(after: store)
                    await trafficNotices.forEachBatch { notices in
                        for event in notices.compactMap({ traffic.event(of: $0) }) { deployer.note(event) }
                    }
                }))
        services.append(.init(service: BackgroundService { await processes.run() }))
        services.append(.init(service: BackgroundService { await containers.run() }))
        services.append(
            .init(service: BackgroundService(onShutdown: { deployer.finish() }) { try await deployer.run() }))
        services.append(.init(service: BackgroundService { await agent.refreshLosses() }))
        services.append(.init(service: BackgroundService { await agent.repository.run() }))
        services.append(.init(service: BackgroundService { await agent.watchDisk() }))
        services.append(.init(service: BackgroundService { await giveBackMemory() }))
        services.append(.init(service: BackgroundService { await agent.activity.run(agent) }))
        services.append(
            contentsOf: try await APIServer(agent: agent, logger: controlLog.logger(.requestManager)).services())
        if settings.stopsInstances {
            // Named last, so ended first, while everybody who stops instances is still there.
            services.append(
                .init(
                    service: BackgroundService(onShutdown: {}) {
                        try? await gracefulShutdown()
                        await agent.stopAllInstances()
                    }))
        }
        let group = ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        reactor.stop()
    }

    /// What says where container engines are.
    private static var engineVariables: [String: String] {
        let names = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "XDG_RUNTIME_DIR", "HOME"]
        let found = names.compactMap { name in getenv(name).map { (name, String(cString: $0)) } }
        return Dictionary(uniqueKeysWithValues: found)
    }

    /// The port stays the same over restarts, so that clients find it again.
    private static func embeddedBroker(_ settings: AgentSettings, _ logger: Logger) async throws -> LogBroker {
        let data = settings.dataDirectory
        let remembered = (try? Files.readText(AgentPaths.brokerPort(in: data))).flatMap { Int($0.filter(\.isNumber)) }
        var broker = BrokerSettings(folder: AgentPaths.broker(in: data), port: settings.brokerPort)
        if settings.broker.syncsAlways { broker.sync = .always }
        if let bytes = settings.broker.retentionBytes { broker.retentionBytes = bytes }
        if let span = settings.broker.retention { broker.retention = span }
        if settings.brokerPort == 0, let remembered, Sockets.isFree(port: remembered) { broker.port = remembered }
        let started = try await LogBroker(settings: broker, logger: logger)
        try Files.replace(AgentPaths.brokerPort(in: data), with: "\(started.port)\n")
        return started
    }

    /// What the file says that was given with `--kafka-config`.
    private static func kafkaProperties(_ settings: AgentSettings) throws(OrchError) -> [String: String] {
        guard let path = settings.kafkaConfig else { return [:] }
        let text: String
        do throws(SystemError) {
            text = try Files.readText(path)
        } catch {
            throw OrchError(.notFound, "\(path) cannot be read: \(error.reason)", cause: error)
        }
        return try KafkaProperties.parse(text, file: path)
    }

    /// The secret of the TCP door, made once.
    private static func token(in data: String) throws -> String {
        let path = AgentPaths.token(in: data)
        if let known = try? Files.readText(path).filter({ !$0.isWhitespace }), known.count >= 32 { return known }
        var generator = SystemRandomNumberGenerator()
        let token = (0..<4).map { _ in
            let digits = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        try Files.replace(path, with: token + "\n", durable: true)
        return token
    }

    /// Stops everything that runs, those who depend on others first, and waits until it is gone.
    func stopAllInstances() async {
        for names in await deployer.stopOrder {
            for name in names { _ = try? await deployer.request(.stop, of: name) }
            for await _ in events.news() {
                let active = await deployer.instances().filter { $0.state.isActive }
                if !active.contains(where: { names.contains($0.module) }) { break }
            }
        }
    }

    /// Services with what the load balancer knows of them.
    package func services() async -> [ServiceView] {
        let (traffic, problems) = (await balancer.traffic(), await balancer.problems)
        var services = await deployer.services
        for index in services.indices {
            services[index].traffic = traffic[services[index].name]
            services[index].problem = problems[services[index].name]
        }
        return services
    }

    package func status() async -> AgentStatus {
        let counts = await deployer.counts
        let shipping = await shipper.status
        return AgentStatus(
            version: OrchVersion.current, pid: getpid(), dataDirectory: settings.dataDirectory, startedAt: startedAt,
            broker: brokerAddress, brokerState: shipping.isConnected ? "connected" : "away: \(shipping.trouble)",
            services: counts.services, instances: counts.instances, instancesUp: counts.up,
            spoolBytes: shipping.backlog, notices: notices + (await runtime.notices))
    }
}
