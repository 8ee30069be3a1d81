import ContainerEngine
import Glibc
import Logging
package import OrchModel
import OrchSystem
import Synchronization

extension ContainerDriver {
    /// A pull of which nothing is heard for so long is given up.
    private static let pullPatience = Duration.seconds(120)

    package func start(_ launch: InstanceLaunch, progress: @escaping LaunchProgress)
        async throws(OrchError) -> RunningInstance
    {
        let id = launch.id
        if let known = running[id] {
            // What an engine that is away has of it is not known.
            if away.contains(known.engine) {
                throw OrchError(.unavailable, "the container engine at \(known.engine.socket) does not answer")
            }
            throw OrchError(.conflict, "instance \(id) runs already")
        }
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
        _ progress: @escaping LaunchProgress
    ) async throws(OrchError) -> RunningInstance {
        let id = launch.id
        let folder = InstanceFolder(id, in: instancesFolder)
        var prepared = launch
        prepared.ports = ports
        try folder.prepare(prepared)
        let environment = InstanceEnvironment(
            container: launch, ports: launch.spec.containerPorts(for: ports),
            configuration: ContainerPaths.configuration, door: ContainerPaths.door)
        try ConfigurationWriter(folder: folder, environment: environment, spec: launch.spec, tokens: access.tokens)
            .write(for: .containerUser)
        var plan = ContainerPlan(
            launch, ports: ports, environment: environment, folder: folder, agent: owner, door: access.folder)
        let stored = try await images.image(plan.image)
        if let stored { plan.image = stored.name }
        starting[plan.network, default: 0] += 1
        defer { starting[plan.network, default: 1] -= 1 }
        var made: String?
        do throws(OrchError) {
            try await makeNetwork(plan.network, client)
            let container = try await create(id, plan, stored, client, progress)
            made = container
            try folder.note(ContainerRecord(engine: client.address, container: container))
            let entry = Running(engine: client.address, container: container, ports: ports, launch: prepared)
            running[id] = entry
            try await client.startContainer(container)
            beginOutput(id, entry)
            let state = try? await client.container(container)
            logger.info("instance started", metadata: ["instance": "\(id)", "container": "\(container.prefix(12))"])
            return RunningInstance(process: ProcessIdentity(running: state?.pid ?? 0), ports: ports)
        } catch {
            // The network may have been removed by hand.
            networks[client.address]?.remove(plan.network)
            if let made { try? await client.removeContainer(made) }
            throw error
        }
    }

    /// The container of an earlier start goes once its output is kept.
    private func removeEarlier(_ id: InstanceID) async throws(OrchError) {
        let folder = InstanceFolder(id, in: instancesFolder)
        guard let earlier = folder.container else { return }
        await waitForOutput(of: id, folder.launch?.spec.logs)
        try await client(at: earlier.engine).removeContainer(earlier.container)
    }

    private func makeNetwork(_ network: String, _ client: EngineClient) async throws(OrchError) {
        if network == "host" || networks[client.address]?.contains(network) == true { return }
        try await gate.pass(network) { [owner] () throws(OrchError) in
            try await client.ensureNetwork(network, labels: [ContainerLabel.agent: owner])
        }
        networks[client.address, default: []].insert(network)
    }

    /// Makes a container; its image is loaded or fetched where the engine does not have it.
    private func create(
        _ id: InstanceID, _ plan: ContainerPlan, _ stored: StoredImage?, _ client: EngineClient,
        _ progress: @escaping LaunchProgress
    ) async throws(OrchError) -> String {
        do throws(OrchError) {
            return try await client.createContainer(id.rawValue, plan)
        } catch {
            switch error.code {
            case .notFound: try await fetch(plan.image, stored, client, progress)
            // Made by an agent that was killed before it could write that down.
            case .conflict: try await removeOwn(id, client)
            default: throw error
            }
        }
        return try await client.createContainer(id.rawValue, plan)
    }

    /// Removes the container that has an instance's name, if it is one of ours.
    private func removeOwn(_ id: InstanceID, _ client: EngineClient) async throws(OrchError) {
        guard let state = try await client.container(id.rawValue) else { return }
        guard state.labels[ContainerLabel.agent] == owner else {
            throw OrchError(
                .conflict, "a container called \(id) is there and is not ours: remove it with 'docker rm \(id)'")
        }
        try await client.removeContainer(state.id)
    }

    private func fetch(
        _ image: String, _ stored: StoredImage?, _ client: EngineClient,
        _ progress: @escaping LaunchProgress
    ) async throws(OrchError) {
        do throws(OrchError) {
            try await gate.pass(image) { () throws(OrchError) in
                if try await client.hasImage(image) { return }
                if let stored {
                    progress("loading \(image) from the repository", nil)
                    return try await client.loadImages(stored.archive, size: stored.size)
                }
                progress("fetching \(image)", nil)
                try await pull(image, client, progress)
            }
        } catch {
            throw OrchError(
                error.code, "the image \(image) is not there and cannot be fetched: \(error.message)", cause: error)
        }
    }

    private nonisolated func pull(
        _ image: String, _ client: EngineClient, _ progress: @escaping LaunchProgress
    ) async throws(OrchError) {
        let news = LastNews()
        let credentials = RegistryCredentials(environment: finder.environment).field(for: image)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var told = ContinuousClock.now
                    try await client.pullImage(image, credentials: credentials) { state in
                        news.at.withLock { $0 = .now }
                        guard .now - told >= .seconds(1), state.total > 0 else { return }
                        told = .now
                        progress(
                            "fetching \(image): \(ByteSize(bytes: state.done)) of \(ByteSize(bytes: state.total))",
                            state)
                    }
                }
                group.addTask {
                    while .now - news.at.withLock(\.self) < Self.pullPatience { try await Task.sleep(for: .seconds(1)) }
                    throw OrchError(.timedOut, "nothing was heard of its registry for \(Self.pullPatience)")
                }
                try await group.next()
                group.cancelAll()
            }
        } catch {
            throw OrchError(wrapping: error, "it could not be fetched")
        }
    }
}

/// When something was heard of a pull.
private final class LastNews: Sendable {
    let at = Mutex(ContinuousClock.now)
}
