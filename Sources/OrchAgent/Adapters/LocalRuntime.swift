import Deployer
import Logging
import LoggingModule
import OrchModel
import OrchSystem
import RuntimeManager

/// The deployer's runtime: starts instances by the driver, and has their logs shipped.
struct LocalRuntime: InstanceRuntime {
    let driver: ProcessDriver
    let shipper: Shipper
    let topicFiles: TopicFiles
    let instancesFolder: String
    let logger: Logger

    var exits: AsyncStream<(InstanceID, Exit)> { driver.exits }

    func start(_ launch: InstanceLaunch) async throws(OrchError) -> RunningInstance {
        let running = try await driver.start(launch)
        await ship(launch)
        return running
    }

    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError) {
        try await driver.stop(id, signal: signal, grace: grace)
    }

    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance {
        let found = await driver.adopt(id, process: process, ports: ports)
        if let launch = folder(id).launch { await ship(launch) }
        return found
    }

    func discard(_ id: InstanceID) async {
        await driver.discard(id)
        let folder = folder(id)
        // Its last lines must reach the broker before the folder goes, even when an earlier agent began this.
        if let launch = folder.launch { await ship(launch) }
        await shipper.retire(id.rawValue) { Files.removeTree(folder.path) }
    }

    func diagnose(_ id: InstanceID, lines: Int) async -> Diagnosis {
        let spool = folder(id).spool
        let observation = await driver.observe(id)
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
