import Logging
import OrchModel
import OrchSystem

/// What is found again when the database is not what it was.
extension Deployer {
    /// Instances whose records are gone (the database was lost) are known by the file beside their socket.
    func addLaunchesWithoutRecord(to content: inout JournalContent) async throws {
        // A record whose service is gone is as good as none.
        let named = Set(content.services.map(\.name))
        content.instances.removeAll { !named.contains($0.module) }
        let known = Set(content.instances.map(\.id))
        var rebuilt = JournalChanges()
        for launch in await runtime.launches() where !known.contains(launch.id) {
            let name = launch.spec.name
            let port = try? await traffic.reserve(launch.spec, known: nil)
            let revision = Revision(
                number: launch.revision, spec: launch.spec, deployedAt: .now(), endpointPort: port)
            let found = await runtime.adopt(launch.id, process: nil, ports: launch.ports)
            // One that cannot be asked about is looked at when the agent starts again.
            if case .unreachable = found { continue }
            guard case .running(let running) = found else {
                await runtime.discard(launch.id)
                continue
            }
            if let index = content.services.firstIndex(where: { $0.name == name }) {
                if !content.services[index].revisions.contains(where: { $0.number == launch.revision }) {
                    content.services[index].revisions.append(revision)
                    content.services[index].revisions.sort { $0.number < $1.number }
                }
                content.services[index].target = max(content.services[index].target, launch.revision)
            } else {
                content.services.append(
                    ServiceRecord(
                        name: name, revisions: [revision], target: launch.revision, desired: .running))
            }
            var record = InstanceRecord(
                id: launch.id, module: name, revision: launch.revision, ordinal: launch.ordinal, since: .now())
            record.state = .running
            record.isReady = true
            record.process = running.process
            record.ports = running.ports
            content.instances.append(record)
            rebuilt.instances.append(record)
            logger.warning(
                "an instance without a record was found and taken over", metadata: ["instance": "\(launch.id)"])
        }
        let modules = Set(rebuilt.instances.map(\.module))
        rebuilt.services = content.services.filter { modules.contains($0.name) }
        if !rebuilt.isEmpty { try await journal.save(rebuilt) }
    }
}
