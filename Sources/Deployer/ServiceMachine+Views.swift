package import OrchModel

/// What others see of a service.
extension ServiceMachine {
    package func view(server: String, lost: (InstanceID) -> Int64) -> [InstanceView] {
        let specs = Dictionary(
            service.revisions.map {
                ($0.number, (topic: $0.spec.topic, version: $0.spec.version, runtime: $0.spec.runtime))
            },
            uniquingKeysWith: { first, _ in first })
        return instances.values.sorted { ($0.revision, $0.ordinal) < ($1.revision, $1.ordinal) }.map { record in
            let spec = specs[record.revision]
            return InstanceView(
                id: record.id, module: record.module, topic: spec?.topic ?? .events, version: spec?.version ?? "",
                revision: record.revision, state: record.state, reason: reason(of: record),
                runtime: spec?.runtime ?? .process, server: record.server ?? server, placement: record.placement,
                pid: record.process?.pid, ports: record.ports, restarts: record.restarts, lost: lost(record.id),
                since: record.since, exit: record.lastExit)
        }
    }

    private func reason(of record: InstanceRecord) -> String {
        if record.state == .pending, !missingDependencies.isEmpty {
            return "waits for \(missingDependencies.map(\.rawValue).joined(separator: ", "))"
        }
        return record.reason
    }

    package var serviceView: ServiceView {
        let up = instances.values.filter {
            $0.state.isUp && (spec?.health.type == HealthSpec.Kind.none || $0.state == .healthy)
        }
        let endpoints = up.sorted { $0.ordinal < $1.ordinal }.flatMap { record in
            (revision(record.revision)?.spec.ports ?? []).compactMap { record.ports[$0.name] }.prefix(1).map {
                "127.0.0.1:\($0)"
            }
        }
        return ServiceView(
            name: service.name, version: spec?.version ?? "", revision: service.target, state: state(up: up.count),
            replicas: replicas, up: up.count, topic: spec?.topic ?? .events,
            addresses: route?.entrances.map(\.address) ?? [], endpoints: endpoints,
            dependsOn: spec?.dependsOn ?? [], deployment: service.deployment?.id)
    }

    private func state(up: Int) -> ServiceState {
        if service.deployment != nil { return .deploying }
        if instances.values.contains(where: { $0.state == .failed }), up == 0 { return .down }
        if service.desired != .running { return .stopped }
        if !wanted.isEmpty, wanted.allSatisfy({ $0.state == .completed }) { return .completed }
        if up >= replicas { return .running }
        return up > 0 ? .degraded : .down
    }

    package var revisionViews: [RevisionView] {
        service.revisions.reversed().map {
            RevisionView(
                number: $0.number, version: $0.spec.version, deployedAt: $0.deployedAt,
                isTarget: $0.number == service.target, hasHeld: $0.hasHeld)
        }
    }

    /// Whether those who depend on it may start.
    package var isUsable: Bool {
        let view = serviceView
        if spec?.isOneShot == true { return view.state == .completed }
        return view.up >= max(1, view.replicas) || view.state == .completed
    }
}
