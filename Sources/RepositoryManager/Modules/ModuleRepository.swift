package import OrchModel
import OrchModuleFile
import OrchSystem

/// Knows the modules that can be deployed by their names: those in the repository, those that ship with the product, and
/// those deployed before.
package struct ModuleRepository: Sendable {
    let artifacts: ArtifactRepository
    let deployed: any DeployedModules

    package init(artifacts: ArtifactRepository, deployed: any DeployedModules) {
        self.artifacts = artifacts
        self.deployed = deployed
    }

    package func modules() async -> [ModuleView] {
        var views: [ModuleName: ModuleView] = [:]
        for module in ShippedModule.all {
            guard let spec = try? module.spec else { continue }
            views[spec.name] = ModuleView(
                name: spec.name, version: spec.version, source: .shipped, description: spec.description,
                path: spec.baseDirectory)
        }
        for service in await deployed.deployedServices() {
            guard let spec = await deployed.spec(of: service.name) else { continue }
            views[spec.name] = ModuleView(
                name: spec.name, version: spec.version, source: .deployed, description: spec.description,
                path: spec.baseDirectory)
        }
        for artifact in await artifactViews().reversed() where [.bundle, .image].contains(artifact.kind) {
            guard let name = ModuleName(rawValue: artifact.name.rawValue) else { continue }
            views[name] = ModuleView(
                name: name, version: artifact.version.rawValue, source: .pushed, description: artifact.description,
                path: artifact.digest.rawValue)
        }
        return views.values.sorted { $0.name < $1.name }
    }

    /// The module that a request asks for, with the request's own settings applied.
    ///
    /// - Throws: ``ModuleFileError`` for mistakes in the file, ``OrchError`` `notFound` for an unknown name.
    package func resolve(_ request: DeployRequest) async throws -> ModuleSpec {
        var spec = try await definition(of: request)
        if let replicas = request.replicas {
            guard (0...1000).contains(replicas) else {
                throw OrchError(.invalidRequest, "the number of replicas must be from 0 to 1000")
            }
            spec.replicas = replicas
        }
        for (name, value) in request.env ?? [:] { spec.env[name] = value }
        if let port = request.port {
            guard !spec.ports.isEmpty else { throw OrchError(.invalidRequest, "\(spec.name) has no port to set") }
            spec.ports[0].port = port
        }
        if let runtime = request.runtime { try await set(runtime, of: &spec) }
        if let alias = request.alias {
            spec.labels[ModuleSpec.runLabel] = spec.name.rawValue
            spec.name = alias
        }
        if let strategy = request.strategy { spec.update.strategy = strategy }
        if let server = request.server { spec.placement.servers = [server] }
        for (path, text) in request.configuration ?? [:] {
            if let index = spec.files.firstIndex(where: { $0.path == path }) {
                spec.files[index].content = text
                spec.files[index].source = ""
            } else {
                spec.files.append(ConfigurationFile(path: path, content: text))
            }
        }
        spec.image = await artifacts.pinned(spec)
        try ModuleFile.check(spec)
        return Self.withFiles(spec)
    }

    /// Takes the text of configuration files along, so that going back to a version brings them back too. What cannot be
    /// read as text is left where it is, and read when an instance starts.
    private static func withFiles(_ spec: ModuleSpec) -> ModuleSpec {
        var spec = spec
        for index in spec.files.indices where !spec.files[index].source.isEmpty && !spec.files[index].secret {
            let path = Files.resolve(spec.files[index].source, in: spec.baseDirectory)
            guard Files.isRegular(path), Files.size(path).map({ $0 <= ModuleFile.largest }) == true,
                let bytes = try? Files.read(path), let text = String(validating: bytes, as: UTF8.self)
            else { continue }
            spec.files[index].content = text
        }
        return spec
    }

    private func definition(of request: DeployRequest) async throws -> ModuleSpec {
        if let file = request.file {
            let path = request.path ?? ModuleFile.fileName
            return try ModuleFile.parse(
                file, path: path, baseDirectory: request.path.map(Files.parent) ?? "/")
        }
        let reference = try ArtifactReference(checking: request.module ?? "")
        let shipped = ShippedModule.all.first { $0.name.rawValue == reference.name.rawValue }
        if let tag = await artifacts.tag(reference) {
            // The image of a module that ships is one way to run it, which the file of the module says most about.
            if let shipped, await artifacts.isImage(tag) { return try shipped.spec }
            return try await artifacts.module(tag)
        }
        guard reference.version == nil, reference.digest == nil else { throw await artifacts.unknown(reference) }
        let name = try ModuleName(checking: reference.name.rawValue)
        if let spec = await deployed.spec(of: name) { return spec }
        if let shipped { return try shipped.spec }
        let hint = nearest(to: name.rawValue, in: await modules().map(\.name.rawValue)).map { "; did you mean \($0)?" }
        throw OrchError(
            .notFound,
            "there is no module \(name)\(hint ?? ": 'orch modules' lists them; give the path of a module file to deploy your own")"
        )
    }

    /// Runs a module on something else than its file says: as a container from the image of its name in the repository,
    /// where the file names none.
    private func set(_ runtime: RuntimeKind, of spec: inout ModuleSpec) async throws(OrchError) {
        defer { spec.runtime = runtime }
        guard runtime.isContainer, !spec.runtime.isContainer else { return }
        if spec.image.isEmpty {
            guard let image = await artifacts.image(for: spec) else {
                throw OrchError(
                    .notFound,
                    "there is no image of \(spec.name): make one with 'orch build \(spec.name)', push one, or name it in the module file"
                )
            }
            spec.image = image
        }
        // That is the process's; the image has its own.
        spec.command = []
        spec.workdir = ""
    }

    /// Addresses of a module's instances that work.
    package func runningAddresses(of name: ModuleName) async throws(OrchError) -> [String] {
        guard let service = await deployed.deployedServices().first(where: { $0.name == name }) else {
            throw OrchError(.notFound, "there is no service \(name): 'orch services' lists them")
        }
        return service.endpoints
    }

    /// The document `Repository/initiate_server.json`: where each module's instances are reached.
    package static func serverDocument(_ services: [ServiceView]) -> [String: [String]] {
        Dictionary(uniqueKeysWithValues: services.map { ($0.name.rawValue, $0.endpoints) })
    }
}
