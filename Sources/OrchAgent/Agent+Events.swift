import Deployer
package import OrchModel
import OrchStore
import OrchSystem

/// What happened: as it is written down, and what could not be written yet because the disk is full.
extension Agent {
    /// In the order they happened: those behind `sequence`, or where it is `nil` the last ones.
    func events(after sequence: Int64?, module: ModuleName?, limit: Int) async throws -> [Event] {
        // Asked for first: what is written down meanwhile is then found twice, and not missed.
        let unsaved = await deployer.unsaved.events
        let saved = try await store.events(after: sequence, module: module, limit: limit)
        guard sequence == nil || saved.count < limit else { return saved }
        let last = max(sequence ?? 0, saved.last?.sequence ?? 0)
        let all = saved + unsaved.filter { $0.sequence > last && (module == nil || $0.module == module) }
        return sequence == nil ? all.suffix(limit) : all
    }

    /// Of a deployment's module, from its start to its end, but those of other deployments; the last ones where there are more.
    package func events(during deployment: DeploymentView, limit: Int) async throws -> [Event] {
        let unsaved = await deployer.unsaved.events
        let span = deployment.startedAt...max(deployment.startedAt, deployment.finishedAt ?? .now())
        let saved = try await store.events(
            of: deployment.module, from: span.lowerBound, until: span.upperBound, limit: limit)
        let last = saved.last?.sequence ?? 0
        let all =
            saved + unsaved.filter { $0.sequence > last && $0.module == deployment.module && span.contains($0.at) }
        return all.suffix(limit).filter { $0.deployment == nil || $0.deployment == deployment.id }
    }
}
