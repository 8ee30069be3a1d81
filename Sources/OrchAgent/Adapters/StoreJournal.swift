import Deployer
import FoundationEssentials
package import OrchModel
import OrchStore
import RepositoryManager
import RequestManager

/// The deployer's journal in the store. Its records are kept as documents, so that they can grow without a migration.
struct StoreJournal: DeploymentJournal {
    let store: Store

    func load() async throws -> JournalContent {
        let documents = try await store.load()
        let decoder = JSONDecoder()
        return JournalContent(
            services: try documents.services.map { try decoder.decode(ServiceRecord.self, from: Data($0.utf8)) },
            instances: try documents.instances.map { try decoder.decode(InstanceRecord.self, from: Data($0.utf8)) },
            lastEvent: documents.lastEvent)
    }

    func save(_ changes: JournalChanges) async throws {
        let encoder = JSONEncoder()
        var documents = Store.Changes()
        documents.services = try changes.services.map {
            ($0.name, String(decoding: try encoder.encode($0), as: UTF8.self))
        }
        documents.instances = try changes.instances.map {
            ($0.id, $0.module, String(decoding: try encoder.encode($0), as: UTF8.self))
        }
        documents.removedServices = changes.removedServices
        documents.removedInstances = changes.removedInstances
        documents.deployments = changes.deployments
        documents.events = changes.events
        try await store.save(documents)
    }

    func deployment(_ id: DeploymentID) async throws -> DeploymentView? { try await store.deployment(id) }
}

extension Store: RequestHistory {}

extension Store: ArtifactCatalog {}

extension Deployer: DeployedModules {
    package func deployedServices() async -> [ServiceView] { services }
}
