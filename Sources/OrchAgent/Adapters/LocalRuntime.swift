import Deployer
import Logging
import LoggingModule
import OrchModel
import OrchSystem
import RuntimeManager
import Synchronization

/// The deployer's runtime: starts instances by the driver of their kind, and has their logs shipped.
struct LocalRuntime: InstanceRuntime {
    let processes: ProcessDriver
    let containers: ContainerDriver
    let news: AsyncStream<(InstanceID, RuntimeNews)>
    let shipper: Shipper
    let topicFiles: TopicFiles
    let instancesFolder: String
    let logger: Logger
    private let runtimes = KnownRuntimes()

    private func driver(of spec: ModuleSpec) -> any RuntimeDriver { spec.runtime.isContainer ? containers : processes }

    /// That of an instance which is not known is the one of processes.
    func driver(of id: InstanceID) -> any RuntimeDriver {
        let isContainer = runtimes.isContainer(id) { folder(id).launch?.spec.runtime.isContainer }
        return isContainer ?? false ? containers : processes
    }

    func start(_ launch: InstanceLaunch, progress: @escaping LaunchProgress) async throws(OrchError)
        -> RunningInstance
    {
        runtimes.note(launch)
        let running = try await driver(of: launch.spec).start(launch, progress: progress)
        await ship(launch)
        return running
    }

    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError) {
        try await driver(of: id).stop(id, signal: signal, grace: grace)
    }

    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance {
        let found = await driver(of: id).adopt(id, process: process, ports: ports)
        if let launch = folder(id).launch { await ship(launch) }
        return found
    }

    func discard(_ id: InstanceID) async {
        await driver(of: id).discard(id)
        let folder = folder(id)
        // Its last lines must reach the broker before the folder goes, even when an earlier agent began this.
        if let launch = folder.launch { await ship(launch) }
        await shipper.retire(id.rawValue) { Files.removeTree(folder.path) }
        runtimes.forget(id)
    }

    func check(_ id: InstanceID, _ health: HealthSpec) async -> String? { await driver(of: id).check(id, health) }

    func usage(of id: InstanceID) async -> ResourceUsage? { await driver(of: id).usage(of: id) }

    var notices: [String] { get async { await processes.notices + containers.notices } }

    func diagnose(_ id: InstanceID, lines: Int) async -> Diagnosis {
        let spool = folder(id).spool
        let observation = await driver(of: id).observe(id)
        return Diagnosis(
            lastLines: await runBlocking(name: "last-lines") { SpoolTail.lines(in: spool, count: lines) },
            listening: observation.listening, limits: observation.limits)
    }

    func launches() async -> [InstanceLaunch] {
        InstanceFolder.all(in: instancesFolder).compactMap { folder($0).launch }
    }

    private func folder(_ id: InstanceID) -> InstanceFolder { InstanceFolder(id, in: instancesFolder) }

    private func ship(_ launch: InstanceLaunch) async {
        do {
            try await shipper.add(
                launch.id.rawValue, topic: launch.spec.topic, folder: folder(launch.id).path,
                linesPerSecond: launch.spec.logs.rate)
        } catch {
            // The instance itself is well; its spool is found again when the agent starts.
            logger.error(
                "the log of an instance cannot be read", metadata: ["instance": "\(launch.id)", "cause": "\(error)"])
        }
        topicFiles.add(launch.spec.topic)
    }
}

/// Which instances are containers, so that their folders are not read for every question.
private final class KnownRuntimes: Sendable {
    private let known = Mutex<[InstanceID: Bool]>([:])

    /// - Parameter read: gives `nil` for an instance that is not there.
    func isContainer(_ id: InstanceID, read: () -> Bool?) -> Bool? {
        if let isContainer = known.withLock({ $0[id] }) { return isContainer }
        guard let isContainer = read() else { return nil }
        known.withLock { $0[id] = isContainer }
        return isContainer
    }

    func note(_ launch: InstanceLaunch) {
        known.withLock { $0[launch.id] = launch.spec.runtime.isContainer }
    }

    func forget(_ id: InstanceID) {
        known.withLock { $0[id] = nil }
    }
}
