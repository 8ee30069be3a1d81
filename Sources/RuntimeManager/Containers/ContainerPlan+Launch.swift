import ContainerEngine
import OrchModel
import OrchSystem

/// Where things are in every container of ours.
enum ContainerPaths {
    static let configuration = "/run/orch/config"
    static let secrets = "/run/secrets"
    /// The agent, for those who may ask it.
    static let door = "/run/orch/agent"
}

/// What containers of ours are labelled with, so that `docker ps` tells whose they are.
enum ContainerLabel {
    static let agent = "orch.agent"
    static let module = "orch.module"
    static let version = "orch.version"
    static let instance = "orch.instance"
}

extension ContainerPlan {
    /// What a launch asks for, in the engine's terms.
    ///
    /// - Parameters:
    ///   - ports: those of this machine, by name.
    ///   - agent: whose container it is.
    ///   - door: the folder with the agent's socket for instances.
    init(
        _ launch: InstanceLaunch, ports: [String: Int], environment: InstanceEnvironment, folder: InstanceFolder,
        agent: String, door: String
    ) {
        let spec = launch.spec
        self.init(image: spec.image)
        command = spec.command.map(environment.expand)
        arguments = spec.args.map(environment.expand)
        self.environment = environment.list
        labels = spec.labels.merging([
            ContainerLabel.agent: agent, ContainerLabel.module: spec.name.rawValue,
            ContainerLabel.version: spec.version, ContainerLabel.instance: launch.id.rawValue,
        ]) { $1 }
        user = spec.user
        workdir = environment.expand(spec.workdir)
        let inner = spec.containerPorts(for: ports)
        // On the machine's own network there is nothing to publish.
        publications =
            spec.container.isOnHost
            ? []
            : spec.ports.compactMap { port in
                guard let published = ports[port.name], let target = inner[port.name] else { return nil }
                return Publication(containerPort: target, address: "127.0.0.1", port: published)
            }
        mounts = spec.container.volumes.map { Self.mount($0, baseDirectory: spec.baseDirectory) }
        if !spec.files.isEmpty || spec.api != .none {
            mounts.append(
                .bind(source: folder.configuration, target: ContainerPaths.configuration, isReadOnly: true))
        }
        for file in spec.files where file.secret {
            mounts.append(
                .bind(
                    source: "\(folder.configuration)/\(file.path)", target: "\(ContainerPaths.secrets)/\(file.path)",
                    isReadOnly: true))
        }
        if spec.api != .none {
            mounts.append(.bind(source: door, target: ContainerPaths.door, isReadOnly: true))
        }
        network = spec.networkName
        aliases = spec.container.isOnHost ? [] : [spec.name.rawValue]
        memory = spec.limits.memory.bytes
        cpu = spec.limits.cpu
        processes = spec.limits.processes
        openFiles = spec.limits.openFiles
        isReadOnly = spec.container.readOnly
        capabilities = spec.container.capabilities
        health = spec.health.type == .image ? .ofImage : .none
        logSize = spec.logs.spool.bytes
    }

    private static func mount(_ volume: ContainerSpec.Volume, baseDirectory: String) -> Mount {
        if volume.source.isEmpty { return .tmpfs(target: volume.path, size: volume.size.bytes) }
        if volume.source.hasPrefix("/") || volume.source.hasPrefix("./") {
            let source = Files.resolve(volume.source, in: baseDirectory)
            return .bind(source: source, target: volume.path, isReadOnly: volume.readOnly)
        }
        return .volume(name: volume.source, target: volume.path, isReadOnly: volume.readOnly)
    }
}

extension ModuleSpec {
    /// The engine's name for the network.
    var networkName: String { container.isOnHost ? container.network : "orch-\(container.network)" }

    /// The ports in the container, by name, for those of this machine.
    func containerPorts(for ports: [String: Int]) -> [String: Int] {
        guard !container.isOnHost else { return ports }
        var inner = ports
        for port in self.ports where port.target != 0 { inner[port.name] = port.target }
        return inner
    }
}
