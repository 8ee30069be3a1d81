import FoundationEssentials
import Glibc
import OrchModel
import OrchModuleFile
import OrchSystem

/// From artifacts to modules that can be run.
extension ArtifactRepository {
    /// The part of an image's configuration that matters here (OCI Image Specification 1.1, "Image Configuration").
    struct ImageConfiguration: Decodable {
        struct Check: Decodable {}
        struct Settings: Decodable {
            var ports: [String: Check]?
            var check: Check?
            var labels: [String: String]?
            enum CodingKeys: String, CodingKey {
                case ports = "ExposedPorts"
                case check = "Healthcheck"
                case labels = "Labels"
            }
        }
        var config: Settings?
    }

    /// Ports at which images mostly serve HTTP: 80, its usual stand-ins, and what frameworks begin with.
    private static let webPorts: Set<Int> = [80, 3000, 5000, 8000, 8080, 8081, 8888]
    private static let configurationFolder = "config"
    private static let interfaceFolder = "ui"

    /// The module that an artifact is.
    ///
    /// - Throws: ``ModuleFileError``; ``OrchError`` `notFound`, `invalidRequest` for what is no module.
    func module(_ tag: ArtifactTagRecord) async throws -> ModuleSpec {
        guard let manifest = await content(of: tag.digest) else { throw BlobStore.missing(tag.digest) }
        await keep(tag.digest)
        switch manifest.kind {
        case .bundle: return try await bundle(tag, manifest)
        case .image: return try await image(tag)
        case .file, .other:
            throw OrchError(
                .invalidRequest,
                "\(tag.name):\(tag.version) is no module: push a folder with a module.yaml, or a container image")
        }
    }

    /// Keeps an artifact from being collected until what is deployed of it is written down.
    private func keep(_ digest: Digest) async {
        guard let manifest = await content(of: digest) else { return }
        let store = store
        _ = try? await FileWork.run {
            for digest in [digest] + manifest.references.map(\.digest) { store.touch(digest) }
        }
        for child in manifest.manifests ?? [] { await keep(child.digest) }
    }

    // MARK: Bundles

    private func bundle(_ tag: ArtifactTagRecord, _ manifest: Manifest) async throws -> ModuleSpec {
        let tree = try await unpack(tag, manifest)
        let interface = "\(tree)/\(Self.interfaceFolder)"
        let (text, configuration, hasInterface) = try await FileWork.run {
            (
                try Files.readText("\(tree)/\(ModuleFile.fileName)"),
                Files.listTree("\(tree)/\(Self.configurationFolder)"), Files.isFolder(interface)
            )
        }
        var spec = try ModuleFile.parse(
            text, path: "\(tag.name):\(tag.version)/\(ModuleFile.fileName)", baseDirectory: tree)
        spec.version = tag.version.rawValue
        for path in configuration where !spec.files.contains(where: { $0.path == path }) {
            spec.files.append(
                ConfigurationFile(path: path, source: "\(Self.configurationFolder)/\(path)", mode: "0600"))
        }
        if spec.ui.isEmpty, hasInterface { spec.ui = Self.interfaceFolder }
        return spec
    }

    /// Where a bundle's files are; they are unpacked when they are first needed.
    private func unpack(_ tag: ArtifactTagRecord, _ manifest: Manifest) async throws(OrchError) -> String {
        let tree = "\(trees)/\(tag.digest.hex)"
        guard let layer = manifest.layers?.first else {
            throw OrchError(.invalidRequest, "\(tag.name):\(tag.version) has no files")
        }
        let (store, limits) = (store, limits)
        try await gate.pass(tree) { () throws(OrchError) in
            if Files.exists(tree) {
                // What is deployed of it is not written down yet.
                utimes(tree, nil)
                return
            }
            let temporary = "\(tree).new"
            try await FileWork.runLong {
                // Left over from an agent that was killed.
                Files.removeTree(temporary)
                do {
                    try store.verify(layer.digest)
                    let archive = BundleArchive(
                        path: store.path(of: layer.digest), name: "\(tag.name):\(tag.version)", limits: limits)
                    try archive.unpack(to: temporary)
                    try Files.allowPassing(temporary)
                    // All of it is on the disk before anybody takes it for whole.
                    try Files.syncFileSystem(of: temporary)
                    try Files.rename(temporary, to: tree)
                } catch {
                    Files.removeTree(temporary)
                    throw error
                }
            }
        }
        return tree
    }

    /// The bundle whose files lie at a path.
    func tree(at path: String) -> Digest? {
        guard path.hasPrefix("\(trees)/") else { return nil }
        return path.dropFirst(trees.count + 1).split(separator: "/").first.flatMap { Digest(hex: String($0)) }
    }

    func removeTrees(except kept: Set<Digest>) async {
        let trees = trees
        let limit = Timestamp.now() - Self.collectionDelay
        for name in Files.list(trees) where Digest(hex: name).map({ !kept.contains($0) }) ?? true {
            try? await gate.pass("\(trees)/\(name)") { () throws(OrchError) in
                try await FileWork.runLong {
                    let tree = "\(trees)/\(name)"
                    var status = stat()
                    // It may have been unpacked for a deploy that is not written down yet.
                    guard stat(tree, &status) == 0, Timestamp(seconds: Int64(status.st_ctim.tv_sec)) < limit else {
                        return
                    }
                    // Out of the way as a whole first: half a tree must not be taken for one.
                    let old = name.hasSuffix(".old") ? tree : "\(tree).old"
                    if old != tree { try Files.rename(tree, to: old) }
                    Files.removeTree(old)
                }
            }
        }
    }

    // MARK: Images

    /// What can be told of a module from its image alone.
    private func image(_ tag: ArtifactTagRecord) async throws -> ModuleSpec {
        let configuration = try await imageConfiguration(of: tag.digest).config
        let ports = (configuration?.ports ?? [:]).keys.compactMap { $0.split(separator: "/").first.flatMap { Int($0) } }
            .sorted()
        guard let name = ModuleName(rawValue: tag.name.rawValue.split(separator: "/").last.map(String.init) ?? "")
        else { throw OrchError(.invalidRequest, "\(tag.name) is no name of a module") }
        var members: [String: JSONValue] = [
            "name": .string(name.rawValue), "version": .string(tag.version.rawValue), "runtime": "auto",
            "image": .string(tag.name.rawValue), "topic": .string(name.rawValue), "base_directory": "/",
            "description": .string(configuration?.labels?[AnnotationKey.description] ?? ""),
        ]
        if !ports.isEmpty {
            members["ports"] = .array(
                ports.map { port in ["name": .string("port\(port)"), "target": .integer(Int64(port))] })
            if Self.webPorts.contains(ports[0]) { members["endpoint"] = ["mode": "http"] }
        }
        if configuration?.check != nil {
            members["health"] = ["type": "image"]
        } else if !ports.isEmpty {
            members["health"] = ["type": "tcp"]
        }
        var spec = try ModuleSpec(stored: .object(members))
        spec.image = ArtifactReference(tag.name, version: tag.version, digest: tag.digest).description
        return spec
    }

    func isImage(_ tag: ArtifactTagRecord) async -> Bool { await content(of: tag.digest)?.kind == .image }

    /// The image of a module's name: of its version, or the one that was pushed last.
    func image(for spec: ModuleSpec) async -> String? {
        let name = ArtifactName(spec.name)
        var images: [ArtifactTagRecord] = []
        for tag in tags where tag.name == name {
            if await isImage(tag) { images.append(tag) }
        }
        let found = images.first { $0.version.rawValue == spec.version } ?? images.max { $0.at < $1.at }
        return found.map { ArtifactReference(name, version: $0.version, digest: $0.digest).description }
    }

    /// What a module calls its image, with the digest of what the repository has under that name, so that it stays this one.
    func pinned(_ spec: ModuleSpec) async -> String {
        guard spec.runtime.isContainer, let reference = try? ArtifactReference(checking: spec.image),
            reference.digest == nil, let tag = tag(reference), await isImage(tag)
        else { return spec.image }
        await keep(tag.digest)
        return ArtifactReference(tag.name, version: tag.version, digest: tag.digest).description
    }

    func imageConfiguration(of image: Digest) async throws(OrchError) -> ImageConfiguration {
        let own = try await ownPlatform(of: image).manifest
        guard let digest = own.config?.digest, let found = await decode(ImageConfiguration.self, digest) else {
            throw OrchError(.failed, "the configuration of the image is not there or damaged: push it again")
        }
        return found
    }

    /// Of an image for several platforms the one that runs here.
    func ownPlatform(of image: Digest) async throws(OrchError) -> (digest: Digest, manifest: Manifest) {
        guard let manifest = await content(of: image) else { throw BlobStore.missing(image) }
        guard let choices = manifest.manifests else { return (image, manifest) }
        #if arch(arm64)
            let architecture = "arm64"
        #else
            let architecture = "amd64"
        #endif
        let fitting = choices.first {
            $0.platform?.os ?? "linux" == "linux" && $0.platform?.architecture ?? architecture == architecture
        }
        guard let fitting, let own = await content(of: fitting.digest), !own.isIndex else {
            throw OrchError(.invalidRequest, "the image is not made for linux/\(architecture)")
        }
        return (fitting.digest, own)
    }

    func decode<Value: Decodable & Sendable>(_: Value.Type, _ digest: Digest) async -> Value? {
        let store = store
        return try? await FileWork.run {
            try JSONDecoder().decode(Value.self, from: Data(try store.read(digest, upTo: Manifest.largest)))
        }
    }
}
