package import OrchModel

/// Keeps which content the names of artifacts stand for. OrchAgent joins it to the store.
package protocol ArtifactCatalog: Sendable {
    /// The newest first within a name.
    func artifacts() async throws -> (tags: [ArtifactTagRecord], manifests: [ArtifactManifestRecord])
    func save(_ manifest: ArtifactManifestRecord, version: ArtifactVersion?) async throws
    func removeArtifact(_ name: ArtifactName, version: ArtifactVersion) async throws
    func removeManifests(_ digests: [Digest], of name: ArtifactName) async throws
    /// The image that was once made of an uploaded archive, with the name and version that the archive gives it.
    func image(madeOf source: Digest) async throws -> ArtifactReference?
    func note(_ image: ArtifactReference, madeOf source: Digest) async throws
}

/// Tells what is deployed. OrchAgent joins it to the deployer.
package protocol DeployedModules: Sendable {
    func spec(of name: ModuleName) async -> ModuleSpec?
    func deployedServices() async -> [ServiceView]
    /// Of every version that runs or can be gone back to.
    func specsInUse() async -> [ModuleSpec]
}
