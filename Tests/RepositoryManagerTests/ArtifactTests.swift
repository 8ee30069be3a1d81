import Logging
import NIOCore
import OrchModel
import OrchSystem
import Synchronization
import TestSupport
import Testing

@testable import RepositoryManager

/// Keeps the books in memory.
private final class MemoryCatalog: ArtifactCatalog {
    private struct State {
        var tags: [ArtifactTagRecord] = []
        var manifests: [ArtifactManifestRecord] = []
        var sources: [Digest: ArtifactReference] = [:]
    }

    private let state = Mutex(State())

    func artifacts() -> (tags: [ArtifactTagRecord], manifests: [ArtifactManifestRecord]) {
        state.withLock { ($0.tags, $0.manifests) }
    }

    func save(_ manifest: ArtifactManifestRecord, version: ArtifactVersion?) {
        state.withLock { state in
            state.manifests.append(manifest)
            guard let version else { return }
            state.tags.removeAll { $0.name == manifest.name && $0.version == version }
            state.tags.append(
                ArtifactTagRecord(name: manifest.name, version: version, digest: manifest.digest, at: manifest.at))
        }
    }

    func removeArtifact(_ name: ArtifactName, version: ArtifactVersion) {
        state.withLock { $0.tags.removeAll { $0.name == name && $0.version == version } }
    }

    func removeManifests(_ digests: [Digest], of name: ArtifactName) {
        state.withLock { $0.manifests.removeAll { $0.name == name && digests.contains($0.digest) } }
    }

    func image(madeOf source: Digest) -> ArtifactReference? { state.withLock { $0.sources[source] } }

    func note(_ image: ArtifactReference, madeOf source: Digest) { state.withLock { $0.sources[source] = image } }
}

/// What is deployed.
private struct Users: DeployedModules {
    var specs: [ModuleSpec] = []

    func spec(of name: ModuleName) -> ModuleSpec? { nil }
    func deployedServices() -> [ServiceView] { [] }
    func specsInUse() -> [ModuleSpec] { specs }
}

@Suite struct ArtifactTests {
    private static let name = ArtifactName(unchecked: "shop")

    private static func repository(_ folder: TemporaryFolder, _ catalog: MemoryCatalog = MemoryCatalog()) async throws
        -> ArtifactRepository
    {
        try await ArtifactRepository(
            folder: folder.path, limits: .standard, catalog: catalog, logger: Logger(label: "test"))
    }

    private static func upload(_ bytes: [UInt8], to repository: ArtifactRepository) async throws -> Digest {
        let id = try await repository.uploads.begin()
        _ = try await repository.uploads.append(
            AsyncStream { continuation in
                continuation.yield(ByteBuffer(bytes: bytes))
                continuation.finish()
            }, to: id)
        return try await repository.uploads.finish(id)
    }

    /// A bundle whose module file says this, as an archive.
    private static func bundle(_ yaml: String, _ files: [String: String] = [:]) -> [UInt8] {
        var archive: [UInt8] = []
        for (path, content) in [("module.yaml", yaml)] + files.sorted(by: { $0.key < $1.key }) {
            archive += TarHeader.bytes(path, .file(size: Int64(content.utf8.count), mode: 0o644))
            archive += Array(content.utf8) + TarHeader.padding(after: Int64(content.utf8.count))
        }
        return archive + TarHeader.end
    }

    private static func push(
        _ bytes: [UInt8], to repository: ArtifactRepository, as version: String? = nil, force: Bool = false
    ) async throws -> ArtifactTagRecord {
        try await repository.push(
            PushRequest(
                digest: upload(bytes, to: repository), fileName: "x.tar", name: nil,
                version: version.map(ArtifactVersion.init(unchecked:)), force: force))
    }

    @Test func `a version stays what it is unless it is forced, and latest moves`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        let one = Self.bundle("name: shop\nversion: \"1\"\ncommand: [\"true\"]\n")
        let other = Self.bundle("name: shop\nversion: \"1\"\ncommand: [\"false\"]\n")
        let first = try await Self.push(one, to: repository)
        #expect(try await Self.push(one, to: repository).digest == first.digest)
        let error = await #expect(throws: OrchError.self) { try await Self.push(other, to: repository) }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("--force") == true)
        let forced = try await Self.push(other, to: repository, force: true)
        #expect(forced.digest != first.digest)
        let latest = try await Self.push(one, to: repository, as: "latest")
        #expect(try await Self.push(other, to: repository, as: "latest").digest != latest.digest)
    }

    @Test func `of pushes of one version at once exactly one content wins`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        let outcomes = await withTaskGroup(of: Digest?.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let yaml = "name: shop\nversion: \"1\"\ncommand: [\"\(number)\"]\n"
                    return try? await Self.push(Self.bundle(yaml), to: repository).digest
                }
            }
            return await group.reduce(into: [Digest?]()) { $0.append($1) }
        }
        let won = outcomes.compactMap(\.self)
        #expect(won.count == 1)
        #expect(await repository.tag(ArtifactReference(Self.name))?.digest == won.first)
    }

    @Test func `a collection takes what nothing names, and nothing else`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        var tags: [ArtifactTagRecord] = []
        for version in ["1", "2", "3"] {
            let yaml = "name: shop\nversion: \"\(version)\"\ncommand: [\"true\"]\n"
            tags.append(try await Self.push(Self.bundle(yaml), to: repository))
        }
        let stray = try await Self.upload([1, 2, 3], to: repository)
        let running = try await repository.module(tags[1])
        var users = Users(specs: [running])

        let inUse = await #expect(throws: OrchError.self) {
            _ = try await repository.remove(ArtifactReference(Self.name, version: tags[1].version), for: users)
        }
        #expect(inUse?.code == .conflict)
        // Forgotten all the same, as a client of the registry can do: what runs of it stays whole.
        try await repository.forget(Self.name, version: tags[1].version)
        _ = try await repository.remove(ArtifactReference(Self.name, version: tags[2].version), for: users)

        // Whoever may be about to name something is not disturbed.
        #expect(try await repository.collect(olderThan: .seconds(3600), for: users).blobs == 0)
        #expect(repository.store.has(stray))

        #expect(try await repository.collect(olderThan: .seconds(-5), for: users).blobs > 0)
        #expect(!repository.store.has(stray))
        for (tag, stays) in zip(tags, [true, true, false]) {
            #expect(repository.store.has(tag.digest) == stays, "\(tag.version)")
            guard stays else { continue }
            let manifest = try #require(await repository.content(of: tag.digest))
            for blob in manifest.blobs { #expect(repository.store.has(blob.digest)) }
        }
        #expect(Files.exists(running.baseDirectory))

        users.specs = []
        _ = try await repository.collect(olderThan: .seconds(-5), for: users)
        #expect(!repository.store.has(tags[1].digest))
        #expect(repository.store.has(tags[0].digest))
    }

    @Test func `a bundle becomes a module with its configuration and its pages`() async throws {
        let folder = TemporaryFolder()
        let catalog = MemoryCatalog()
        let archive = Self.bundle(
            "name: shop\nversion: \"1\"\ncommand: [\"./run\"]\nfiles: [{path: own.conf, content: x}]\n",
            ["config/own.conf": "hidden by the module file", "config/a/b.conf": "port ${PORT}", "ui/index.html": "<p>"])
        let tag = try await Self.push(archive, to: Self.repository(folder, catalog), as: "7")
        // What was pushed is there for the next agent, too.
        let spec = try await Self.repository(folder, catalog).module(tag)
        #expect(spec.version == "7")
        #expect(spec.ui == "ui")
        #expect(spec.files.map(\.path) == ["own.conf", "a/b.conf"])
        #expect(try Files.readText("\(spec.baseDirectory)/config/a/b.conf") == "port ${PORT}")
        #expect(try Files.readText("\(folder.path)/Downloads/shop-7.tar").count == archive.count)
    }

    @Test func `what is refused leaves nothing behind`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        for archive in [
            Self.bundle("name: shop\ncommand: [\"true\"]\n", ["../x": ""]),
            Self.bundle("name: shop\nmistake: 1\n"), Self.bundle("name: shop\nversion: \"a b\"\ncommand: [\"true\"]\n"),
        ] {
            await #expect(throws: (any Error).self) { try await Self.push(archive, to: repository) }
        }
        #expect(repository.store.all.isEmpty)
        #expect(await repository.names.isEmpty)
    }

    @Test func `a collection that is cut short, or knows nothing, removes nothing`() async throws {
        let folder = TemporaryFolder()
        let catalog = MemoryCatalog()
        let yaml = "name: shop\nversion: \"1\"\ncommand: [\"true\"]\n"
        _ = try await Self.push(Self.bundle(yaml), to: Self.repository(folder, catalog))
        // Another agent, which has read no manifest yet, and is told to end.
        let second = try await Self.repository(folder, catalog)
        let blobs = second.store.all
        let collecting = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await second.collect(olderThan: .seconds(-5), for: Users())
        }
        await #expect(throws: (any Error).self) { try await collecting.value }
        #expect(second.store.all == blobs)
        // One that has lost its database.
        let third = try await ArtifactRepository(
            folder: folder.path, limits: .standard, catalog: MemoryCatalog(), isCatalogNew: true,
            logger: Logger(label: "test"))
        await third.run(for: Users())
        #expect(third.store.all == blobs)
    }

    @Test func `sizes that nothing has are summed all the same`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        let huge = ContentDescriptor(ContentType.layer, ContentHash.digest(of: [1]), size: .max)
        let child = try repository.store.write(Manifest(config: huge, layers: [huge, huge]).encoded)
        let size = try #require(repository.store.size(of: child))
        let index = Manifest(index: [ContentDescriptor(ContentType.manifest, child, size: size)])
        try await repository.put(index.encoded, as: ArtifactReference(Self.name, version: .latest))
        #expect(await repository.artifacts(inUse: []).map(\.size) == [.max])
    }

    @Test func `what was pushed before is pushed again under the name that it has`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        let archive = Self.bundle("name: shop\nversion: \"1\"\ncommand: [\"true\"]\n")
        _ = try await Self.push(archive, to: repository, as: "2")
        #expect(try await Self.push(archive, to: repository).version.rawValue == "1")
        try await repository.forget(Self.name, version: ArtifactVersion(unchecked: "1"))
        #expect(try await Self.push(archive, to: repository).version.rawValue == "1")
    }

    @Test func `a manifest must be whole`() async throws {
        let folder = TemporaryFolder()
        let repository = try await Self.repository(folder)
        let missing = ContentDescriptor(ContentType.layer, ContentHash.digest(of: [9]), size: 1)
        let manifest = try Manifest(
            config: ContentDescriptor(ContentType.empty, missing.digest, size: 1), layers: [missing]
        ).encoded
        let reference = ArtifactReference(Self.name, version: .latest)
        for bytes in [manifest, Array("{}".utf8), Array("[".utf8), [UInt8](repeating: 32, count: 5 << 20)] {
            let error = await #expect(throws: OrchError.self) { try await repository.put(bytes, as: reference) }
            #expect(error?.code == .invalidRequest)
        }
    }
}
