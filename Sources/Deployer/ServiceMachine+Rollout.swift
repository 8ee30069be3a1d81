package import OrchModel

/// From what there is to what there shall be.
extension ServiceMachine {
    /// Instances of the revision that shall run, which are not on their way out.
    private var wanted: [InstanceRecord] {
        instances.values.filter { $0.revision == service.target && $0.intent != .retire }.sorted {
            $0.ordinal < $1.ordinal
        }
    }

    /// Instances of other revisions that still serve.
    private var outdated: [InstanceRecord] {
        instances.values.filter { $0.revision != service.target && $0.intent != .retire }.sorted {
            $0.ordinal > $1.ordinal
        }
    }

    private var retiring: Int { instances.values.count { $0.intent == .retire } }

    /// As many as wanted are good, and nothing else is there.
    var isSettled: Bool {
        let good = wanted.count { $0.isReady && ($0.state.isUp || $0.state == .completed) }
        return service.desired == .running && good >= replicas && outdated.isEmpty && retiring == 0
    }

    mutating func reconcile(at now: Timestamp) {
        // Until the reason of a failure is complete, everything stays as it is.
        guard culprit == nil else { return }
        switch service.desired {
        case .running: roll(at: now)
        case .stopped:
            for record in instances.values where record.intent != .stop {
                endInstance(record.id, record.revision == service.target ? .stop : .retire, at: now)
            }
        case .removed:
            for record in instances.values { endInstance(record.id, .retire, at: now) }
        }
        concludeIfDone(at: now)
    }

    private mutating func roll(at now: Timestamp) {
        guard let spec else { return }
        for record in wanted where record.ordinal >= replicas { endInstance(record.id, .retire, at: now) }
        guard missingDependencies.isEmpty else { return }

        let unready = wanted.count { !$0.isReady }
        let missing = missingOrdinals
        if outdated.isEmpty {
            // Nothing to be careful of, except that a port or a single writer may have to be free first.
            let room = spec.startsFirst ? missing.count : replicas - wanted.count - retiring
            for ordinal in missing.prefix(max(0, room)) { addInstance(ordinal, at: now) }
        } else if spec.startsFirst {
            for ordinal in missing.prefix(max(0, spec.updateStep - unready)) { addInstance(ordinal, at: now) }
            let needed = max(0, replicas - wanted.count { $0.isReady })
            for record in outdated.dropLast(needed) { endInstance(record.id, .retire, at: now) }
        } else {
            let step = spec.updateStep - unready - retiring
            for record in outdated.prefix(max(0, step)) { endInstance(record.id, .retire, at: now) }
            let room = replicas - wanted.count - outdated.count - retiring
            for ordinal in missingOrdinals.prefix(max(0, room)) { addInstance(ordinal, at: now) }
        }
        // Outdated ones too: they serve until they are replaced.
        let pending = instances.values.filter { $0.state == .pending && $0.intent == .run }
        for record in pending.sorted(by: { $0.ordinal < $1.ordinal }) { launch(record.id, at: now) }
    }

    private var missingOrdinals: [Int] {
        let taken = Set(wanted.map(\.ordinal))
        return (0..<replicas).filter { !taken.contains($0) }
    }

    private mutating func addInstance(_ ordinal: Int, at now: Timestamp) {
        var id = InstanceID.random(of: service.name, using: &generator)
        while instances[id] != nil { id = InstanceID.random(of: service.name, using: &generator) }
        instances[id] = InstanceRecord(
            id: id, module: service.name, revision: service.target, ordinal: ordinal, since: now)
        changedInstances.insert(id)
    }

    // MARK: The end of a deployment

    private mutating func concludeIfDone(at now: Timestamp) {
        if service.desired == .removed, instances.isEmpty {
            finish(.succeeded, reason: "", at: now)
            note("service.removed", "", at: now)
            isGone = true
            return
        }
        guard let deployment = service.deployment else { return }
        switch service.desired {
        case .running:
            guard isSettled else { return }
            finish(deployment.state == .rollingBack ? .rolledBack : .succeeded, reason: deployment.reason, at: now)
        case .stopped:
            guard !instances.values.contains(where: { $0.isActive }), retiring == 0 else { return }
            finish(.succeeded, reason: "", at: now)
        case .removed: return
        }
    }

    mutating func finish(_ state: DeploymentView.State, reason: String, at now: Timestamp) {
        guard var deployment = service.deployment else { return }
        deployment.state = state
        deployment.reason = reason
        deployment.finishedAt = now
        changes.deployments.append(deployment)
        note("deployment.\(state.rawValue)", reason, at: now)
        service.deployment = nil
        hasServiceChanged = true
    }

    /// The deployment that goes on does not hold. Goes back where that is wanted and there is something to go back to,
    /// otherwise ends once the last lines of the instance at fault are here.
    mutating func fail(because id: InstanceID, _ reason: String, at now: Timestamp) {
        guard var deployment = service.deployment, culprit == nil, instances[id]?.revision == service.target else {
            return
        }
        actions.append(.fetchLastLines(id))
        culprit = id
        update(id) { record in
            record.isAtFault = true
            record.reason = reason
        }
        deployment.reason = reason
        if deployment.state == .running, let from = deployment.fromRevision, revision(from) != nil,
            spec?.update.onFailure == .rollback
        {
            deployment.state = .rollingBack
            changes.deployments.append(deployment)
            service.target = from
        }
        service.deployment = deployment
        hasServiceChanged = true
    }

    /// - Parameter id: the instance that made the deployment fail.
    mutating func conclude(_ id: InstanceID, lastLines: [String], at now: Timestamp) {
        guard culprit == id, service.deployment != nil else { return }
        culprit = nil
        service.deployment?.lastLines = lastLines
        hasServiceChanged = true
        let reason = service.deployment?.reason ?? ""
        if service.deployment?.state == .rollingBack, instances[id]?.revision != service.target {
            note("deployment.rolling_back", reason, instance: id, at: now)
            return
        }
        finish(.failed, reason: reason, at: now)
        // Where nothing serves, the rest is not worth trying: it waits for somebody to mend it.
        if !instances.values.contains(where: { $0.isReady && $0.state.isUp }) { service.desired = .stopped }
    }

    // MARK: What others see

    package func view(server: String, lost: (InstanceID) -> Int64) -> [InstanceView] {
        instances.values.sorted { ($0.revision, $0.ordinal) < ($1.revision, $1.ordinal) }.map { record in
            let spec = revision(record.revision)?.spec
            return InstanceView(
                id: record.id, module: record.module, topic: spec?.topic ?? .events, version: spec?.version ?? "",
                revision: record.revision, state: record.state, reason: reason(of: record),
                runtime: spec?.runtime ?? .process,
                server: server, pid: record.process?.pid, ports: record.ports, restarts: record.restarts,
                lost: lost(record.id),
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
            replicas: replicas, up: up.count, topic: spec?.topic ?? .events, endpoints: endpoints,
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
}
