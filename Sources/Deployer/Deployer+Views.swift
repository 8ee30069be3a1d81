package import OrchModel

/// What there is.
extension Deployer {
    package var services: [ServiceView] { machines.values.map(\.serviceView).sorted { $0.name < $1.name } }

    package func instances() -> [InstanceView] {
        machines.keys.sorted().flatMap { machines[$0]?.view(server: serverName) { lost[$0] ?? 0 } ?? [] }
    }

    /// How many there are, without a view of each.
    package var counts: (services: Int, instances: Int, up: Int) {
        let instances = machines.values.flatMap { $0.instances.values.map(\.state) }
        return (machines.count, instances.count, instances.count(where: \.isUp))
    }

    package func revisions(of name: ModuleName) throws(OrchError) -> [RevisionView] {
        guard let machine = machines[name] else { throw unknown(name) }
        return machine.revisionViews
    }

    /// What the health checks of an instance have found; `nil` for one that is not checked.
    package nonisolated func checks(of id: InstanceID) -> CheckView? { health.checks(of: id) }

    /// Services in the order in which they can be stopped: whoever depends on others first.
    package var stopOrder: [[ModuleName]] {
        var left = Set(machines.keys)
        var order: [[ModuleName]] = []
        while !left.isEmpty {
            let needed = Set(left.flatMap { machines[$0]?.spec?.dependsOn ?? [] })
            // In a circle nobody can be first.
            let free = left.subtracting(needed).isEmpty ? left : left.subtracting(needed)
            order.append(free.sorted())
            left.subtract(free)
        }
        return order
    }

    /// Where an instance reaches services: a process at their addresses on this machine; a container, which does not see those,
    /// at the names that other containers of its network have there.
    func addresses(for spec: ModuleSpec) -> [ModuleName: String] {
        var addresses: [ModuleName: String] = [:]
        for (name, machine) in machines {
            guard spec.runtime.isContainer else {
                addresses[name] = machine.route?.entrances.last?.address
                continue
            }
            guard let other = machine.spec, other.runtime.isContainer, other.runtime == spec.runtime,
                other.container.network == spec.container.network, let port = other.endpointTarget, port.target != 0
            else { continue }
            addresses[name] = "\(other.endpointMode == .http ? "http" : "tcp")://\(name):\(port.target)"
        }
        return addresses
    }

    /// What an instance may do with the agent; nothing when there is none of that id.
    package func access(of id: InstanceID) -> AgentAccess {
        for machine in machines.values {
            guard let record = machine.instances[id] else { continue }
            return machine.revision(record.revision)?.spec.api ?? .none
        }
        return .none
    }

    package func spec(of name: ModuleName) -> ModuleSpec? { machines[name]?.spec }

    /// Of every version that runs or can be gone back to.
    package func specsInUse() -> [ModuleSpec] { machines.values.flatMap { $0.service.revisions.map(\.spec) } }

    package func service(_ name: ModuleName) -> ServiceRecord? { machines[name]?.service }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView? {
        for machine in machines.values {
            if let deployment = machine.service.deployment, deployment.id == id { return deployment }
        }
        if let deployment = unsaved.deployments.last(where: { $0.id == id }) { return deployment }
        return try await journal.deployment(id)
    }

    /// The counts of lost lines, as the logging module knows them.
    package func set(lost counts: [InstanceID: Int64]) { lost = counts }
}
