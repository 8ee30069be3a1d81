package import OrchModel

/// From what there is to what there shall be.
extension ServiceMachine {
    /// Instances of the revision that shall run, which are not on their way out.
    var wanted: [InstanceRecord] {
        instances.values.filter { $0.revision == service.target && $0.intent != .retire }.sorted {
            $0.ordinal < $1.ordinal
        }
    }

    /// Instances of other revisions that still serve; first those that can be missed most easily.
    var outdated: [InstanceRecord] {
        instances.values.filter { $0.revision != service.target && $0.intent != .retire }.sorted {
            $0.serves == $1.serves ? ($0.ordinal, $0.id) > ($1.ordinal, $1.id) : !$0.serves
        }
    }

    private var retiring: Int { instances.values.count { $0.intent == .retire } }

    /// Whether the new version must show that it holds before it replaces anything: where there is something to go back
    /// to. Going back itself is to a version that was good.
    var mustProve: Bool { service.deployment?.fromRevision != nil && service.deployment?.state != .rollingBack }

    /// One instance has held for the monitor window; the others are of the same making.
    private var isVersionProven: Bool { !mustProve || replicas == 0 || wanted.contains { $0.hasHeld } }

    /// As many as wanted are good, and nothing else is there.
    var isSettled: Bool {
        let good = wanted.count { $0.isReady && ($0.state.isUp || $0.state == .completed) }
        return service.desired == .running && good >= replicas && outdated.isEmpty && retiring == 0 && isVersionProven
    }

    /// New instances get a part of the requests until somebody decides.
    var isCanary: Bool {
        spec?.update.strategy == .canary && spec?.startsFirst == true && mustProve && !rollout.isPromoted
            && replicas > 0
    }

    /// How many new instances a canary has.
    private func canaryCount(_ spec: ModuleSpec) -> Int { max(1, (replicas * spec.update.canary + 99) / 100) }

    mutating func reconcile(at now: Timestamp) {
        // Until the reason of a failure is complete, everything stays as it is.
        guard culprit == nil, !isRestoring else { return }
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
        retireSuperfluous(at: now)
        guard missingDependencies.isEmpty else {
            // They are there to be seen, and wait.
            if outdated.isEmpty { fill(spec, at: now) }
            return
        }
        if !rollout.isPaused {
            if outdated.isEmpty {
                fill(spec, at: now)
            } else if service.deployment?.state == .rollingBack {
                goBack(spec, at: now)
            } else {
                replace(spec, at: now)
            }
        }
        // Outdated ones too: they serve until they are replaced.
        let pending = instances.values.filter { $0.state == .pending && $0.intent == .run }
        for record in pending.sorted(by: { ($0.ordinal, $0.id) < ($1.ordinal, $1.id) }) { launch(record.id, at: now) }
    }

    /// Those beyond the wanted number go, the highest first, unless one of them has to stand in for another.
    private mutating func retireSuperfluous(at now: Timestamp) {
        for record in wanted.reversed() where record.ordinal >= replicas {
            let others = instances.values.count { $0.serves && $0.id != record.id }
            if !record.serves || others >= replicas { endInstance(record.id, .retire, at: now) }
        }
    }

    /// Nothing has to be replaced; but a port or a single writer may have to be free first.
    private mutating func fill(_ spec: ModuleSpec, at now: Timestamp) {
        let missing = missingOrdinals
        let room = spec.startsFirst ? missing.count : replicas - wanted.count - retiring
        for ordinal in missing.prefix(max(0, room)) { addInstance(ordinal, at: now) }
    }

    /// Back to a version that was good, as fast as its instances come: those that never left serve at once.
    private mutating func goBack(_ spec: ModuleSpec, at now: Timestamp) {
        if spec.startsFirst {
            for ordinal in missingOrdinals { addInstance(ordinal, at: now) }
            let needed = max(0, replicas - wanted.count { $0.serves })
            for record in outdated.dropLast(min(needed, outdated.count { $0.serves })) {
                endInstance(record.id, .retire, at: now)
            }
        } else {
            for record in outdated { endInstance(record.id, .retire, at: now) }
            fill(spec, at: now)
        }
    }

    private mutating func replace(_ spec: ModuleSpec, at now: Timestamp) {
        switch spec.update.strategy {
        case .recreate:
            for record in outdated { endInstance(record.id, .retire, at: now) }
            fill(spec, at: now)
        case .blueGreen where spec.startsFirst:
            for ordinal in missingOrdinals { addInstance(ordinal, at: now) }
            switchOver(spec, at: now)
        case .canary where isCanary:
            let count = canaryCount(spec)
            for ordinal in missingOrdinals.prefix(max(0, count - wanted.count)) { addInstance(ordinal, at: now) }
            if wanted.count(where: { $0.serves && $0.hasHeld }) >= min(count, replicas) {
                waitForPromotion(spec, at: now)
            }
        case .rolling, .canary, .blueGreen:
            if spec.startsFirst { rollStartingFirst(spec, at: now) } else { rollStoppingFirst(spec, at: now) }
        }
    }

    private mutating func rollStartingFirst(_ spec: ModuleSpec, at now: Timestamp) {
        let there = wanted.count + outdated.count + instances.values.count { $0.intent == .retire && $0.isActive }
        // There may be more old ones than will be wanted, and they go only when the new ones have held.
        let most = max(replicas, outdated.count) + spec.surge
        let room = min(most - there, spec.surge - wanted.count { !$0.isReady })
        // The first ones have to hold before more follow.
        let isFirstBatch = !isVersionProven && wanted.count >= spec.surge
        if !isFirstBatch { for ordinal in missingOrdinals.prefix(max(0, room)) { addInstance(ordinal, at: now) } }
        guard isVersionProven else { return }
        let needed = max(0, replicas - wanted.count { $0.serves })
        for record in outdated.dropLast(needed) { endInstance(record.id, .retire, at: now) }
    }

    private mutating func rollStoppingFirst(_ spec: ModuleSpec, at now: Timestamp) {
        let mayGoOn = wanted.isEmpty || isVersionProven
        let step = spec.unavailable - wanted.count { !$0.isReady } - retiring
        if mayGoOn { for record in outdated.prefix(max(0, step)) { endInstance(record.id, .retire, at: now) } }
        let room = replicas - wanted.count - outdated.count - retiring
        for ordinal in missingOrdinals.prefix(max(0, room)) { addInstance(ordinal, at: now) }
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

    /// Says where an instance runs, before it is started.
    package mutating func place(_ id: InstanceID, _ choice: PlacementChoice) {
        update(id) { record in
            record.server = choice.server
            record.placement = choice.reason
        }
    }

    // MARK: Blue-green and canary

    /// All requests go to the new instances at once when all of them have held; the old ones stay warm for one more monitor
    /// window.
    private mutating func switchOver(_ spec: ModuleSpec, at now: Timestamp) {
        if !rollout.isSwitched, wanted.count(where: { $0.serves }) >= replicas, isVersionProven {
            rollout.isSwitched = true
            note("deployment.switched", "all requests go to revision \(service.target)", at: now)
            scheduleRelease(spec)
        }
        guard rollout.isReleased else { return }
        for record in outdated { endInstance(record.id, .retire, at: now) }
    }

    private mutating func scheduleRelease(_ spec: ModuleSpec) {
        guard let id = service.deployment?.id else { return }
        actions.append(.schedule(.released(id), after: spec.update.monitor))
    }

    private mutating func waitForPromotion(_ spec: ModuleSpec, at now: Timestamp) {
        guard service.deployment?.state == .running else { return }
        setDeployment(.waiting)
        note(
            "deployment.waiting",
            "the canary serves \(spec.update.canary) % of the requests: 'orch promote \(service.name)' or 'orch abort \(service.name)'",
            at: now)
    }

    /// Timers do not survive the agent.
    mutating func resumeRollout(at now: Timestamp) {
        if let spec, rollout.isSwitched, !rollout.isReleased { scheduleRelease(spec) }
    }

    private mutating func setDeployment(_ state: DeploymentView.State) {
        guard var deployment = service.deployment else { return }
        deployment.state = state
        service.deployment = deployment
        changes.deployments.append(deployment)
        hasServiceChanged = true
    }

    /// - Throws: `conflict` when the rollout that goes on cannot be steered so, or none does.
    package mutating func steer(_ steering: Steering, at now: Timestamp) throws(OrchError) -> DeploymentView {
        guard let deployment = service.deployment, !deployment.state.isFinal else {
            throw OrchError(.conflict, "\(service.name) is not being changed: there is nothing to \(steering.rawValue)")
        }
        guard deployment.state != .rollingBack else {
            throw OrchError(.conflict, "\(service.name) is going back to the version before: wait for it")
        }
        switch steering {
        case .promote:
            guard isCanary else {
                throw OrchError(.conflict, "\(deployment.id) is no canary: it goes on by itself")
            }
            rollout.isPromoted = true
            rollout.isPaused = false
            setDeployment(.running)
            note("deployment.promoted", "", at: now)
        case .abort:
            abandon("aborted", at: now)
        case .pause:
            guard !rollout.isPaused else { throw OrchError(.conflict, "\(deployment.id) is paused already") }
            rollout.isPaused = true
            setDeployment(.paused)
            note("deployment.paused", "go on with 'orch resume \(service.name)'", at: now)
        case .resume:
            guard rollout.isPaused else {
                let way = deployment.state == .waiting ? ": it waits for 'orch promote \(service.name)'" : ""
                throw OrchError(.conflict, "\(deployment.id) is not paused\(way)")
            }
            rollout.isPaused = false
            for record in wanted where record.state == .failed { revive(record.id, at: now) }
            for record in wanted { update(record.id) { $0.isAtFault = false } }
            service.deployment?.reason = ""
            setDeployment(.running)
            note("deployment.resumed", "", at: now)
        }
        reconcile(at: now)
        return service.deployment ?? changes.deployments.last ?? deployment
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
            guard isSettled else {
                // One that was given up comes back by nobody's doing.
                if !rollout.isPaused, let broken = wanted.first(where: { $0.state == .failed && $0.intent == .run }) {
                    fail(because: broken.id, broken.reason, at: now)
                }
                return
            }
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
        if state != .failed, service.desired == .running,
            let index = service.revisions.firstIndex(where: { $0.number == service.target })
        {
            service.revisions[index].hasHeld = true
        }
        note("deployment.\(state.rawValue)", reason, at: now)
        service.deployment = nil
        service.rollout = nil
        hasServiceChanged = true
    }

    /// Somebody does not want the deployment any more.
    private mutating func abandon(_ reason: String, at now: Timestamp) {
        service.deployment?.reason = reason
        service.rollout = nil
        hasServiceChanged = true
        if turnBack(at: now) {
            note("deployment.rolling_back", reason, at: now)
        } else {
            finish(.failed, reason: reason, at: now)
            service.desired = .stopped
        }
    }

    /// - Returns: `false` when there is nothing to go back to.
    private mutating func turnBack(at now: Timestamp) -> Bool {
        guard let deployment = service.deployment, let from = deployment.fromRevision, revision(from) != nil else {
            return false
        }
        setDeployment(.rollingBack)
        service.rollout = nil
        service.target = from
        // What was stopped or had failed meanwhile is needed now.
        for record in wanted where !record.isActive && record.state != .pending && record.state != .backoff {
            revive(record.id, at: now)
        }
        return true
    }

    /// The deployment that goes on does not hold. Goes back where that is wanted and there is something to go back to,
    /// otherwise ends once it is known what the instance at fault did last.
    mutating func fail(because id: InstanceID, _ reason: String, at now: Timestamp) {
        guard service.deployment != nil, culprit == nil, instances[id]?.revision == service.target else { return }
        // It stands still already, for this reason or for another that somebody has to look into.
        if rollout.isPaused, spec?.update.onFailure == .pause { return }
        actions.append(.diagnose(id))
        culprit = id
        update(id) { record in
            record.isAtFault = true
            record.reason = reason
        }
        service.deployment?.reason = reason
        hasServiceChanged = true
        if service.deployment?.state != .rollingBack, spec?.update.onFailure == .rollback { _ = turnBack(at: now) }
    }

    /// - Parameter id: the instance that made the deployment fail.
    mutating func conclude(_ id: InstanceID, _ diagnosis: Diagnosis, at now: Timestamp) {
        guard culprit == id, service.deployment != nil else { return }
        culprit = nil
        let reason = (service.deployment?.reason ?? "") + wrongPort(id, diagnosis)
        service.deployment?.lastLines = diagnosis.lastLines
        service.deployment?.reason = reason
        hasServiceChanged = true
        if service.deployment?.state == .rollingBack, instances[id]?.revision != service.target {
            note("deployment.rolling_back", reason, instance: id, at: now)
            return
        }
        if spec?.update.onFailure == .pause, service.deployment?.fromRevision != nil,
            service.deployment?.state != .rollingBack
        {
            rollout.isPaused = true
            setDeployment(.paused)
            note("deployment.paused", reason, instance: id, at: now)
            return
        }
        finish(.failed, reason: reason, at: now)
        // Where nothing serves, the rest is not worth trying: it waits for somebody to mend it.
        if !instances.values.contains(where: { $0.isReady && $0.state.isUp }) { service.desired = .stopped }
    }

    /// The most frequent mistake of all: the program listens somewhere else.
    private func wrongPort(_ id: InstanceID, _ diagnosis: Diagnosis) -> String {
        guard let record = instances[id], let spec = revision(record.revision)?.spec, record.isActive,
            spec.health.type == .http || spec.health.type == .tcp,
            let name = spec.health.port.isEmpty ? spec.ports.first?.name : spec.health.port,
            let expected = record.ports[name], !diagnosis.listening.isEmpty,
            !diagnosis.listening.contains(expected)
        else { return "" }
        return "; it listens on \(diagnosis.listening.map(String.init).joined(separator: ", ")), expected \(expected)"
    }
}
