package import OrchModel

/// Where requests go.
extension ServiceMachine {
    /// `nil` for a service without an address of its own.
    package var route: ServiceRoute? {
        guard service.desired != .removed || !instances.isEmpty else { return nil }
        let entrances = entrances
        guard !entrances.isEmpty else { return nil }
        var route = ServiceRoute(service: service.name, entrances: entrances, members: members)
        route.revision = service.target
        return route
    }

    /// The address of the version that shall run comes last; an older one stays open until that version has replaced it.
    private var entrances: [ServiceRoute.Entrance] {
        var numbers = Set(instances.values.filter { $0.serves }.map(\.revision)).subtracting([service.target]).sorted()
        if service.deployment == nil { numbers = [] }
        var entrances: [ServiceRoute.Entrance] = []
        for number in numbers + [service.target] {
            guard let revision = revision(number), let port = revision.endpointPort else { continue }
            let entrance = ServiceRoute.Entrance(
                mode: revision.spec.endpointMode, spec: revision.spec.endpoint,
                baseDirectory: revision.spec.baseDirectory, port: port, ui: revision.spec.interfaceFolder)
            let isSame = { (other: ServiceRoute.Entrance) in
                other.port == port && other.mode == entrance.mode && other.spec.hosts == entrance.spec.hosts
                    && other.spec.path == entrance.spec.path && other.spec.address == entrance.spec.address
                    && other.spec.tls.isWanted == entrance.spec.tls.isWanted
            }
            entrances.removeAll(where: isSame)
            entrances.append(entrance)
        }
        return entrances
    }

    private var members: [ServiceRoute.Member] {
        let only = onlyRevision
        return instances.values.filter { $0.serves && (only == nil || $0.revision == only) }.sorted { $0.id < $1.id }
            .compactMap { record in
                guard let target = revision(record.revision)?.spec.endpointTarget, let port = record.ports[target.name]
                else { return nil }
                let isSharing = isCanary && record.revision == service.target
                let share = isSharing ? spec.map { Double($0.update.canary) / 100 } : nil
                return ServiceRoute.Member(id: record.id, port: port, revision: record.revision, share: share)
            }
    }

    /// The one revision that gets requests, where versions must not be mixed; `nil` for all that serve.
    private var onlyRevision: Int? {
        let serving = Set(instances.values.filter { $0.serves }.map(\.revision))
        guard serving.count > 1 else { return nil }
        if service.deployment?.state == .rollingBack {
            // As long as nothing of the good version serves, the other one is better than nothing.
            let strategy = service.deployment.flatMap { revision($0.toRevision)?.spec.update.strategy }
            guard strategy == .blueGreen || strategy == .canary else { return nil }
            return serving.contains(service.target) ? service.target : serving.max()
        }
        guard spec?.update.strategy == .blueGreen, spec?.startsFirst == true else { return nil }
        if rollout.isSwitched, serving.contains(service.target) { return service.target }
        let earlier = serving.subtracting([service.target])
        return service.deployment?.fromRevision.flatMap { earlier.contains($0) ? $0 : nil } ?? earlier.max()
    }
}
