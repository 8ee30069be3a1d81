package import OrchModel

/// Everything that is decided about one service: what to start, to stop and to restart, when a deployment has succeeded,
/// and when it goes back. Pure: inputs and the time come in, actions go out.
///
/// What it decides is in ``service`` and ``instances``; the deployer writes the changed ones down before it acts, so that
/// after a crash a machine made of the records goes on where this one was.
package struct ServiceMachine: Sendable {
    package enum Change: Sendable {
        /// - Parameter port: of the service's own address; `nil` for none.
        case deploy(ModuleSpec, port: Int?)
        /// To the number of a revision that is kept.
        case rollback(Int)
        case start, stop, restart, remove
        case scale(Int)
    }

    /// What can be said of a rollout that goes on.
    package enum Steering: String, Sendable, CaseIterable { case promote, abort, pause, resume }

    package enum Input: Sendable {
        case started(InstanceID, RunningInstance)
        case startFailed(InstanceID, OrchError)
        /// What its start is at, where that takes long.
        case progress(InstanceID, String, WorkProgress?)
        case exited(InstanceID, Exit)
        /// It could not be told to end.
        case stopFailed(InstanceID)
        case health(InstanceID, HealthMachine.Verdict)
        /// It has nothing in flight any more.
        case drained(InstanceID)
        case timer(Timer)
        case dependencies(missing: [ModuleName])
        case found(InstanceID, FoundInstance)
        case diagnosis(InstanceID, Diagnosis)
        /// The agent has started again, and everything was found.
        case restored
    }

    /// Something that is due later. `generation` is the instance's count of timers, so that a late one is known.
    package enum Timer: Hashable, Sendable {
        case restart(InstanceID, generation: Int)
        /// It has been up for as long as it must to count as good, where nothing else tells.
        case settled(InstanceID, generation: Int)
        /// It has held for the monitor window.
        case monitor(InstanceID, generation: Int)
        /// The new instances have held for the monitor window with all requests.
        case released(DeploymentID)
        /// It should have become good by now.
        case deadline(InstanceID, generation: Int)
        /// It is told to end once more.
        case stop(InstanceID, generation: Int)
    }

    package enum Action: Sendable {
        case start(InstanceLaunch)
        /// It gets no more requests; what it has may take as long as `limit`.
        case drain(InstanceID, limit: TimeSpan)
        case stop(InstanceID, signal: Int32, grace: TimeSpan)
        case discard(InstanceID)
        case watchHealth(InstanceID, ModuleSpec, ports: [String: Int])
        case endHealthWatch(InstanceID)
        case schedule(Timer, after: TimeSpan)
        /// What it did last is wanted for the deployment that it made fail.
        case diagnose(InstanceID)
    }

    /// Lines of a failed instance that a deployment keeps.
    package static let lastLineCount = 10
    private static let mostRevisions = 10

    package internal(set) var service: ServiceRecord
    package internal(set) var instances: [InstanceID: InstanceRecord]
    package internal(set) var missingDependencies: [ModuleName] = []
    /// Nothing of the service is left, and the record may go.
    package internal(set) var isGone = false

    // What the caller takes after each input.
    var changes = JournalChanges()
    var actions: [Action] = []
    var generations: [InstanceID: Int] = [:]
    var generator: any RandomNumberGenerator & Sendable
    var changedInstances: Set<InstanceID> = []
    var hasServiceChanged = false
    /// Instances are still being found after a start of the agent. Until all are, nothing is started: what seems to be
    /// missing may only not have been seen yet.
    var isRestoring: Bool
    /// The instance that made the deployment fail; its last lines are on their way, and end it.
    var culprit: InstanceID?
    /// Ends that were reported before the start they belong to: a program may be quicker than the news of it.
    var earlyExits: [InstanceID: Exit] = [:]

    package init(
        _ service: ServiceRecord, instances: [InstanceRecord],
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.service = service
        self.instances = Dictionary(uniqueKeysWithValues: instances.map { ($0.id, $0) })
        self.generator = generator
        isRestoring = !instances.isEmpty
        // What it depends on is not known to work before somebody says so.
        missingDependencies = spec?.dependsOn ?? []
    }

    /// A service that is deployed for the first time.
    package init(
        new name: ModuleName, generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        let record = ServiceRecord(name: name, revisions: [], target: 0, desired: .running)
        self.init(record, instances: [], generator: generator)
    }

    package var spec: ModuleSpec? { revision(service.target)?.spec }

    var replicas: Int { spec?.replicas ?? 0 }

    var rollout: Rollout {
        get { service.rollout ?? Rollout() }
        set {
            service.rollout = newValue
            hasServiceChanged = true
        }
    }

    func revision(_ number: Int) -> Revision? { service.revisions.first { $0.number == number } }

    /// What has to be written down, and then done. Empties both.
    package mutating func takeResults() -> (changes: JournalChanges, actions: [Action]) {
        var result = changes
        if isGone { result.removedServices = [service.name] } else if hasServiceChanged { result.services = [service] }
        result.instances = changedInstances.compactMap { instances[$0] }
        defer {
            changes = JournalChanges()
            actions = []
            changedInstances = []
            hasServiceChanged = false
        }
        return (result, actions)
    }

    // MARK: Changes that people ask for

    /// - Throws: `conflict` while another change goes on, `invalidRequest` for one that makes no sense now.
    package mutating func apply(_ change: Change, id: DeploymentID, at now: Timestamp) throws(OrchError)
        -> DeploymentView
    {
        if let running = service.deployment {
            // A stop or a removal is the way out of a change that hangs.
            guard change.isWayOut else {
                let verb: String? =
                    switch running.state {
                    case .paused: "resume"
                    case .waiting: "promote"
                    default: nil
                    }
                let way =
                    verb.map {
                        "go on with 'orch \($0) \(service.name)', or take it back with 'orch abort \(service.name)'"
                    } ?? "wait for it with 'orch wait \(running.id)'"
                throw OrchError(
                    .conflict,
                    "\(service.name) is being changed by \(running.id) (\(running.kind.rawValue)): \(way)")
            }
            culprit = nil
            let from = running.fromRevision
            finish(.failed, reason: "superseded by a \(change.kind.rawValue)", at: now)
            // A version that nobody has seen hold is not what a start shall bring back.
            if let from, revision(from) != nil { service.target = from }
        }
        // What was stopped is nothing to go back to.
        isGone = false
        let from = service.target == 0 || service.desired != .running ? nil : goodRevision ?? service.target
        var isReplacing = false
        switch change {
        case .deploy(let spec, let port):
            if spec == self.spec, isSettled { return alreadyDone(id, at: now) }
            addRevision(spec, port: port, at: now)
            service.desired = .running
            isReplacing = true
        case .rollback(let number):
            let earlier = try earlierRevision(number)
            addRevision(earlier.spec, port: earlier.endpointPort, at: now)
            service.desired = .running
            isReplacing = true
        case .restart:
            guard let spec else { throw OrchError(.notFound, "\(service.name) has nothing to restart") }
            guard service.desired == .running else {
                throw OrchError(.conflict, "\(service.name) is stopped: start it with 'orch start \(service.name)'")
            }
            addRevision(spec, port: revision(service.target)?.endpointPort, at: now)
            isReplacing = true
        case .start:
            service.desired = .running
            for record in instances.values { resumeInstance(record.id, at: now) }
        case .stop: service.desired = .stopped
        case .remove: service.desired = .removed
        case .scale(let count):
            guard (0...1000).contains(count) else {
                throw OrchError(.invalidRequest, "the number of replicas must be from 0 to 1000")
            }
            guard let index = service.revisions.firstIndex(where: { $0.number == service.target }) else {
                throw OrchError(.notFound, "\(service.name) has nothing to scale")
            }
            if count > 1, let fixed = service.revisions[index].spec.ports.first(where: { $0.port != 0 }) {
                throw OrchError(
                    .invalidRequest,
                    "\(count) replicas cannot share port \(fixed.port): deploy it with 'port: 0' for a free one each")
            }
            service.revisions[index].spec.replicas = count
        }
        service.rollout = nil
        if isReplacing {
            // Copies that do not serve are not worth keeping until the new ones do.
            for record in instances.values where record.revision != service.target && !record.state.isUp {
                endInstance(record.id, .retire, at: now)
            }
        }
        let deployment = DeploymentView(
            id: id, module: service.name, kind: change.kind, fromRevision: isReplacing ? from : nil,
            toRevision: service.target,
            state: .running, reason: "", startedAt: now, finishedAt: nil, lastLines: [])
        service.deployment = deployment
        hasServiceChanged = true
        changes.deployments.append(deployment)
        note("deployment.started", "\(change.kind.rawValue) of \(service.name) \(spec?.version ?? "")", at: now)
        if !missingDependencies.isEmpty, service.desired == .running {
            let names = missingDependencies.map(\.rawValue).joined(separator: ", ")
            note("deployment.held_up", "waits for \(names): 'orch why \(missingDependencies[0])'", at: now)
        }
        reconcile(at: now)
        return service.deployment ?? changes.deployments.last ?? deployment
    }

    /// The version that is asked for is the one that serves.
    private mutating func alreadyDone(_ id: DeploymentID, at now: Timestamp) -> DeploymentView {
        let deployment = DeploymentView(
            id: id, module: service.name, kind: .deploy, fromRevision: service.target, toRevision: service.target,
            state: .succeeded, reason: "nothing to change", startedAt: now, finishedAt: now, lastLines: [])
        changes.deployments.append(deployment)
        return deployment
    }

    private func earlierRevision(_ number: Int) throws(OrchError) -> Revision {
        guard let revision = revision(number) else {
            throw OrchError(.notFound, "\(service.name) has no revision \(number) any more")
        }
        return revision
    }

    /// The revision that a rollback means: a version, the number of a revision, or `nil` for the one before.
    func earlierRevision(_ version: String?) throws(OrchError) -> Revision {
        let others = service.revisions.filter { $0.number != service.target }
        let known = others.map { "\($0.number) (version \($0.spec.version))" }.joined(separator: ", ")
        guard let version else {
            // Where the newest one has not held, the one that serves is the one before.
            let current = goodRevision.flatMap { revision($0)?.spec }
            let isNewestBad = goodRevision != service.target
            guard let before = others.last(where: { $0.hasHeld && (isNewestBad || $0.spec != current) }) else {
                let hint = known.isEmpty ? "" : "; to go to a revision all the same, name it: \(known)"
                throw OrchError(.notFound, "\(service.name) has no other version that has held before\(hint)")
            }
            return before
        }
        guard
            let found = others.last(where: { $0.spec.version == version })
                ?? others.first(where: { String($0.number) == version })
        else {
            throw OrchError(
                .notFound,
                "\(service.name) has no revision or version \(version.quotedOneLine): \(known.isEmpty ? "there is no other" : "there are \(known)")"
            )
        }
        return found
    }

    /// The revision that serves and has held: mostly the newest, but not where that one failed.
    var goodRevision: Int? {
        let serving = Set(instances.values.filter { $0.serves }.map(\.revision))
        if revision(service.target)?.hasHeld == true { return service.target }
        return service.revisions.last { $0.hasHeld && serving.contains($0.number) }?.number
    }

    private mutating func addRevision(_ spec: ModuleSpec, port: Int?, at now: Timestamp) {
        let number = (service.revisions.last?.number ?? 0) + 1
        service.revisions.append(Revision(number: number, spec: spec, deployedAt: now, endpointPort: port))
        // One that has held stays, so that there always is something to go back to.
        let lastGood = service.revisions.last { $0.hasHeld }.map { [$0.number] } ?? []
        let used = Set(instances.values.map(\.revision) + [service.target, number] + lastGood)
        while service.revisions.count > Self.mostRevisions,
            let oldest = service.revisions.firstIndex(where: { !used.contains($0.number) })
        {
            service.revisions.remove(at: oldest)
        }
        service.target = number
    }

    /// One instance is started, stopped or restarted by hand.
    package mutating func applyToInstance(_ id: InstanceID, _ kind: DeploymentView.Kind, at now: Timestamp)
        throws(OrchError)
    {
        guard let record = instances[id], record.intent != .retire else {
            throw OrchError(.notFound, "there is no instance \(id)")
        }
        switch kind {
        case .start: resumeInstance(id, at: now)
        case .stop: endInstance(id, .stop, at: now)
        case .restart: if record.isActive { endInstance(id, .restart, at: now) } else { revive(id, at: now) }
        case .deploy, .rollback, .scale, .remove:
            throw OrchError(.invalidRequest, "one instance cannot be \(kind.rawValue)d by itself")
        }
        reconcile(at: now)
    }

    // MARK: Events

    mutating func note(
        _ kind: String, _ message: String, instance: InstanceID? = nil, progress: WorkProgress? = nil, at now: Timestamp
    ) {
        changes.events.append(
            Event(
                at: now, kind: kind, module: service.name, instance: instance, deployment: service.deployment?.id,
                message: message, progress: progress))
    }
}

extension ServiceMachine.Change {
    package var kind: DeploymentView.Kind {
        switch self {
        case .deploy: .deploy
        case .rollback: .rollback
        case .start: .start
        case .stop: .stop
        case .restart: .restart
        case .remove: .remove
        case .scale: .scale
        }
    }

    var isWayOut: Bool { kind == .stop || kind == .remove }
}
