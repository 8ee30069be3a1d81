import OrchModel
import RepositoryManager
import RuntimeManager

/// The container driver's images: those that the repository has.
struct RepositoryImages: ImageSource {
    let artifacts: ArtifactRepository

    func image(_ image: String) async throws(OrchError) -> StoredImage? {
        guard let export = try await artifacts.export(image: image) else { return nil }
        return StoredImage(name: export.name, size: export.size, archive: export)
    }
}
