import ContainerEngine
import Glibc
import Logging
package import OrchModel
import OrchSystem

/// What containers print, and how they end.
extension ContainerDriver {
    /// Has the output of a container kept, behind that of the instance's earlier ones.
    func beginOutput(_ id: InstanceID, _ entry: Running) {
        outputsOpen[id, default: 0] += 1
        works.send(.keepOutput(id, entry))
    }

    /// Keeps what a container prints until its end, over restarts of the engine, and then reports the end.
    func keepOutput(of id: InstanceID, _ entry: Running) async {
        await gate.pass("output of \(id)") { await self.readOutput(of: id, entry) }
        outputsOpen[id, default: 1] -= 1
        if outputsOpen[id] == 0 { outputsOpen[id] = nil }
        outputsChanged.send()
    }

    private func readOutput(of id: InstanceID, _ entry: Running) async {
        let spool = InstanceFolder(id, in: instancesFolder).spool
        while !Task.isCancelled {
            do throws(OrchError) {
                let since = try await outputs.open(
                    id, spool: spool, source: entry.container, limits: entry.launch.spec.logs)
                let client = try await client(at: entry.engine)
                try await client.followOutput(of: entry.container, since: since) { [outputs] entries in
                    try await outputs.keep(entries, of: id)
                }
                // The engine ends the answer when the container has ended.
                if try await client.container(entry.container)?.isRunning != true {
                    await conclude(id, entry.container)
                    return
                }
            } catch  where error.code == .notFound {
                await conclude(id, entry.container)
                return
            } catch {
                logger.debug("output is not read", metadata: ["instance": "\(id)", "cause": "\(error.message)"])
            }
            try? await Task.sleep(for: Self.retryInterval)
        }
    }

    /// Returns once the output of an instance's containers is kept, or after a while unless none of it shall be lost.
    func waitForOutput(of id: InstanceID, _ logs: LogSpec?) async {
        guard outputsOpen[id] != nil else { return }
        let changes = outputsChanged.listen()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in changes where await self.outputsOpen[id] == nil { return } }
            if logs?.whenFull != .block { group.addTask { try? await Task.sleep(for: Self.outputPatience) } }
            await group.next()
            group.cancelAll()
        }
    }

    /// Reports an end, unless the container runs after all; asks again later where its engine cannot say.
    func conclude(_ id: InstanceID, _ container: String) async {
        guard let entry = running[id], entry.container == container, !entry.isEnding else { return }
        running[id]?.isEnding = true
        let state: ContainerState?
        do throws(OrchError) {
            state = try await client(at: entry.engine).container(container)
        } catch {
            running[id]?.isEnding = false
            works.send(.conclude(id, container: container, after: Self.retryInterval))
            return
        }
        guard state?.isRunning != true, state?.isNew != true else {
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

    // MARK: Stopping

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

    /// Ends a container that still runs after its time, however often that takes.
    func kill(_ id: InstanceID, _ container: String) async {
        guard let entry = running[id], entry.container == container else { return }
        do throws(OrchError) {
            try await client(at: entry.engine).killContainer(container, signal: SIGKILL)
        } catch  where error.code == .conflict || error.code == .notFound {
            works.send(.conclude(id, container: container, after: .zero))
        } catch {
            works.send(.kill(id, container: container, after: .seconds(1)))
        }
    }

    // MARK: Finding again and forgetting

    package func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance {
        let folder = InstanceFolder(id, in: instancesFolder)
        guard let record = folder.container, let launch = folder.launch else { return .absent }
        let entry = Running(engine: record.engine, container: record.container, ports: launch.ports, launch: launch)
        do throws(OrchError) {
            guard let state = try await client(at: record.engine).container(record.container), !state.isNew else {
                return .absent
            }
            // What it has printed last may not be kept yet.
            beginOutput(id, entry)
            if let exit = state.exit { return .ended(exit) }
            hold(id, entry)
            return .running(identity(of: state, ports: launch.ports))
        } catch {
            beginOutput(id, entry)
            hold(id, entry)
            away.insert(record.engine)
            if watched.insert(record.engine).inserted { works.send(.watch(record.engine)) }
            return .unreachable(error.message)
        }
    }

    private func hold(_ id: InstanceID, _ entry: Running) {
        running[id] = entry
        ports.hold(entry.ports, for: id)
    }

    package func discard(_ id: InstanceID) async {
        let folder = InstanceFolder(id, in: instancesFolder)
        let spec = folder.launch?.spec
        await waitForOutput(of: id, spec?.logs)
        running[id] = nil
        ports.release(id)
        await outputs.close(id)
        guard let record = folder.container else { return }
        do throws(OrchError) {
            let client = try await client(at: record.engine)
            try await client.removeContainer(record.container)
            if let spec { await removeNetworkIfUnused(spec.networkName, client) }
        } catch {
            logger.warning(
                "a container cannot be removed; it is once its engine is back",
                metadata: ["container": "\(record.container.prefix(12))", "cause": "\(error.message)"])
        }
    }

    private func removeNetworkIfUnused(_ network: String, _ client: EngineClient) async {
        if network == "host" { return }
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
}
