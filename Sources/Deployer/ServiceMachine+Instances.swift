package import OrchModel

/// What happens to single instances.
extension ServiceMachine {
    /// How long an instance without a check must stay up before it gets requests.
    private static let settleTime = TimeSpan.seconds(1)
    /// How soon a runtime that was away is tried again.
    private static let runtimeRetry = TimeSpan.seconds(1)

    package mutating func handle(_ input: Input, at now: Timestamp) {
        switch input {
        case .started(let id, let running): started(id, running, at: now)
        case .startFailed(let id, let error): startFailed(id, error, at: now)
        case .progress(let id, let text, let progress): progressed(id, text, progress, at: now)
        case .exited(let id, let exit): exited(id, exit, at: now)
        case .stopFailed(let id): schedule(.stop(id, generation: nextGeneration(id)), after: .seconds(1))
        case .health(let id, let verdict): judged(id, verdict, at: now)
        case .drained(let id): if instances[id]?.state == .draining { requestStop(id, at: now) }
        case .timer(let timer): due(timer, at: now)
        case .dependencies(let missing): missingDependencies = missing
        case .found(let id, let found): self.found(id, found, at: now)
        case .diagnosis(let id, let diagnosis): conclude(id, diagnosis, at: now)
        case .restored:
            isRestoring = false
            resumeRollout(at: now)
        }
        reconcile(at: now)
    }

    mutating func update(_ id: InstanceID, _ body: (inout InstanceRecord) -> Void) {
        guard var record = instances[id] else { return }
        body(&record)
        instances[id] = record
        changedInstances.insert(id)
    }

    private mutating func set(_ id: InstanceID, _ state: InstanceState, _ reason: String = "", at now: Timestamp) {
        update(id) { record in
            record.state = state
            record.reason = reason
            record.since = now
        }
    }

    // MARK: Starting

    mutating func launch(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id], let revision = revision(record.revision) else { return }
        set(id, .starting, at: now)
        update(id) { record in
            record.isReady = false
            record.isProven = false
        }
        actions.append(
            .start(
                InstanceLaunch(
                    id: id, revision: record.revision, spec: revision.spec, ordinal: record.ordinal, ports: record.ports
                )))
    }

    /// Starts an instance that was stopped, or is being stopped, by hand.
    mutating func resumeInstance(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id], record.intent != .retire else { return }
        if !record.isActive {
            revive(id, at: now)
        } else if record.intent == .stop {
            update(id) { $0.intent = .restart }
        }
    }

    /// Starts an instance that has ended, with a clean slate.
    mutating func revive(_ id: InstanceID, at now: Timestamp) {
        update(id) { record in
            record.intent = .run
            record.restart.reset()
            record.isAtFault = false
            record.state = .pending
            record.reason = ""
            record.since = now
        }
    }

    private mutating func started(_ id: InstanceID, _ running: RunningInstance, at now: Timestamp) {
        guard let record = instances[id], let spec = revision(record.revision)?.spec else { return }
        update(id) { record in
            record.process = running.process
            record.ports = running.ports
        }
        note("instance.started", "pid \(running.process.pid)", instance: id, at: now)
        if let exit = earlyExits.removeValue(forKey: id) {
            set(id, .running, at: now)
            exited(id, exit, at: now)
            return
        }
        guard record.intent == .run else {
            // It was told to end while it started.
            requestStop(id, at: now)
            return
        }
        set(id, .running, at: now)
        watch(id, spec, ports: running.ports)
    }

    private mutating func progressed(_ id: InstanceID, _ text: String, _ progress: WorkProgress?, at now: Timestamp) {
        guard instances[id]?.state == .starting else { return }
        update(id) { $0.reason = text }
        note("instance.progress", text, instance: id, progress: progress, at: now)
    }

    private mutating func watch(_ id: InstanceID, _ spec: ModuleSpec, ports: [String: Int]) {
        let generation = nextGeneration(id)
        if spec.health.type == .none {
            schedule(.settled(id, generation: generation), after: min(spec.update.monitor, Self.settleTime))
        } else {
            actions.append(.watchHealth(id, spec, ports: ports))
            schedule(.deadline(id, generation: generation), after: spec.update.healthyTimeout)
        }
    }

    /// From now on it gets requests; whether it also replaces others shows when it has held for a while.
    private mutating func becameReady(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id], let spec = revision(record.revision)?.spec else { return }
        update(id) { $0.isReady = true }
        let spent = spec.health.type == .none ? min(spec.update.monitor, Self.settleTime) : .zero
        if spec.update.monitor > spent {
            let rest = TimeSpan(nanoseconds: spec.update.monitor.nanoseconds - spent.nanoseconds)
            schedule(.monitor(id, generation: generations[id] ?? 0), after: rest)
        } else {
            update(id) { $0.isProven = true }
        }
    }

    private mutating func startFailed(_ id: InstanceID, _ error: OrchError, at now: Timestamp) {
        guard let record = instances[id] else { return }
        earlyExits[id] = nil
        note("instance.failed", error.message, instance: id, at: now)
        if record.intent == .run, let deployment = service.deployment, !deployment.state.isFinal {
            set(id, .failed, error.message, at: now)
            fail(because: id, error.message, at: now)
        } else if record.intent == .run, error.code == .unavailable {
            // The runtime is away, which is no fault of the instance and counts as none.
            set(id, .backoff, error.message, at: now)
            schedule(.restart(id, generation: nextGeneration(id)), after: Self.runtimeRetry)
        } else if record.intent == .run {
            ended(id, Exit(code: nil, signal: nil, at: now), reason: error.message, at: now)
        } else {
            afterStop(id, at: now)
        }
    }

    // MARK: Health

    private mutating func judged(_ id: InstanceID, _ verdict: HealthMachine.Verdict, at now: Timestamp) {
        guard let record = instances[id], record.state.isUp || record.state == .unhealthy || record.state == .unknown
        else { return }
        if record.state == .unknown {
            // Its runtime cannot be asked; whether it gets requests is seen from outside all the same. Other checks go through
            // the runtime and tell of that.
            let check = revision(record.revision)?.spec.health.type
            guard check == .tcp || check == .http else { return }
            if case .unhealthy = verdict { update(id) { $0.isReady = false } }
            if case .healthy = verdict { update(id) { $0.isReady = true } }
            return
        }
        switch verdict {
        case .healthy:
            // Seen again after a restart of the agent, which is no news.
            if record.state == .healthy { return }
            set(id, .healthy, at: now)
            note("instance.healthy", "", instance: id, at: now)
            becameReady(id, at: now)
        case .proven: update(id) { $0.isProven = true }
        case .failing(let why): update(id) { $0.reason = why }
        case .unhealthy(let why):
            set(id, .unhealthy, why, at: now)
            note("instance.unhealthy", why, instance: id, at: now)
            if service.deployment != nil, record.isReady {
                fail(because: id, "\(id) became unhealthy: \(why)", at: now)
            }
        }
    }

    private mutating func due(_ timer: Timer, at now: Timestamp) {
        switch timer {
        case .restart(let id, let generation):
            guard generations[id] == generation, let record = instances[id], record.state == .backoff,
                record.intent == .run
            else { return }
            launch(id, at: now)
        case .settled(let id, let generation):
            guard generations[id] == generation, instances[id]?.state == .running else { return }
            becameReady(id, at: now)
        case .monitor(let id, let generation):
            guard generations[id] == generation, instances[id]?.serves == true else { return }
            update(id) { $0.isProven = true }
        case .released(let id): if service.deployment?.id == id, rollout.isSwitched { rollout.isReleased = true }
        case .stop(let id, let generation):
            guard generations[id] == generation, instances[id]?.state == .stopping else { return }
            requestStop(id, at: now)
        case .deadline(let id, let generation):
            guard generations[id] == generation, let record = instances[id], !record.isReady, record.isActive else {
                return
            }
            let check = revision(record.revision)?.spec.health
            let limit = revision(record.revision)?.spec.update.healthyTimeout ?? .zero
            let detail = record.reason.isEmpty ? "" : ": \(record.reason)"
            fail(because: id, "the \(check?.type.rawValue ?? "") check did not pass within \(limit)\(detail)", at: now)
        }
    }

    private mutating func nextGeneration(_ id: InstanceID) -> Int {
        generations[id, default: 0] += 1
        return generations[id] ?? 0
    }

    private mutating func schedule(_ timer: Timer, after span: TimeSpan) {
        actions.append(.schedule(timer, after: span))
    }

    // MARK: Ending

    /// Asks an instance to end. One that does not run ends at once.
    mutating func endInstance(_ id: InstanceID, _ intent: InstanceRecord.Intent, at now: Timestamp) {
        guard let record = instances[id] else { return }
        // Retiring is final.
        if record.intent == .retire { return }
        update(id) { $0.intent = intent }
        if !record.isActive {
            afterStop(id, at: now)
        } else if record.state == .starting || record.state == .stopping || record.state == .draining {
            return
        } else if let spec = revision(record.revision)?.spec, spec.endpointMode != .none, record.isReady {
            set(id, .draining, record.isAtFault ? record.reason : "", at: now)
            actions.append(.drain(id, limit: spec.endpoint.drain))
        } else {
            requestStop(id, at: now)
        }
    }

    private mutating func requestStop(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id], let stop = revision(record.revision)?.spec.stop else { return }
        set(id, .stopping, record.isAtFault ? record.reason : "", at: now)
        actions.append(.endHealthWatch(id))
        actions.append(.stop(id, signal: SignalName.number(stop.signal), grace: stop.grace))
    }

    private mutating func exited(_ id: InstanceID, _ exit: Exit, at now: Timestamp) {
        guard let record = instances[id] else { return }
        if record.state == .starting {
            earlyExits[id] = exit
            return
        }
        actions.append(.endHealthWatch(id))
        guard record.isActive else { return }
        update(id) { record in
            record.process = nil
            record.lastExit = exit
        }
        if record.intent == .run {
            note("instance.exited", exit.description, instance: id, at: now)
            ended(id, exit, reason: exit.description, at: now)
        } else {
            note("instance.stopped", exit.description, instance: id, at: now)
            afterStop(id, at: now)
        }
    }

    /// It ended although it should run.
    private mutating func ended(_ id: InstanceID, _ exit: Exit, reason: String, at now: Timestamp) {
        guard let record = instances[id], let spec = revision(record.revision)?.spec else { return }
        // Unless it is replacing others, it has done its part once it was good.
        let isTried = mustProve && record.revision == service.target ? !record.hasHeld : !record.isReady
        if !exit.isClean || !spec.isJob, let deployment = service.deployment, !deployment.state.isFinal, isTried {
            set(id, .failed, reason, at: now)
            fail(because: id, "\(id) ended while it was deployed: \(reason)", at: now)
            return
        }
        let uptime = record.isReady ? now - record.since : .zero
        var restart = record.restart
        let decision = restart.instanceEnded(exit, after: uptime, spec.restart)
        update(id) { $0.restart = restart }
        switch decision {
        case .complete:
            set(id, .completed, reason, at: now)
            update(id) { record in
                record.isReady = true
                record.isProven = true
            }
            note("instance.completed", reason, instance: id, at: now)
        case .giveUp:
            set(id, .failed, "\(reason), given up", at: now)
            if service.deployment != nil { fail(because: id, "\(id) is given up: \(reason)", at: now) }
            note("instance.failed", "\(reason), given up", instance: id, at: now)
        case .restart(let delay):
            update(id) { $0.restarts += 1 }
            if delay == .zero {
                launch(id, at: now)
            } else {
                set(id, .backoff, "\(reason), again in \(delay.short)", at: now)
                schedule(.restart(id, generation: nextGeneration(id)), after: delay)
            }
            note("instance.restarting", delay == .zero ? reason : "\(reason), in \(delay.short)", instance: id, at: now)
        }
    }

    /// It ended as it was told.
    private mutating func afterStop(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id] else { return }
        switch record.intent {
        case .retire:
            instances[id] = nil
            changedInstances.remove(id)
            generations[id] = nil
            changes.removedInstances.append(id)
            actions.append(.discard(id))
        case .restart:
            revive(id, at: now)
        case .run, .stop:
            // A failure stays visible after a stop.
            if record.isAtFault {
                set(id, .failed, record.reason, at: now)
            } else if record.state != .failed && record.state != .completed {
                set(id, .stopped, at: now)
            }
        }
    }

    // MARK: After a restart of the agent or of an engine

    private mutating func found(_ id: InstanceID, _ found: FoundInstance, at now: Timestamp) {
        guard let record = instances[id], let spec = revision(record.revision)?.spec else { return }
        switch found {
        case .running(let running):
            update(id) { record in
                record.process = running.process
                record.ports = running.ports
                // Whether it held is seen anew: nobody looked meanwhile.
                if record.state == .starting || record.state == .pending || record.state == .backoff
                    || record.state == .unknown
                {
                    record.state = .running
                }
            }
            guard record.intent == .run else {
                // Whatever was in flight went with the agent before.
                requestStop(id, at: now)
                return
            }
            watch(id, spec, ports: running.ports)
            if record.isReady, !record.hasHeld {
                schedule(.monitor(id, generation: generations[id] ?? 0), after: spec.update.monitor)
            }
        case .ended(let exit):
            if record.state == .starting { set(id, .running, at: now) }
            if record.isActive { exited(id, exit, at: now) } else { resume(id, at: now) }
        case .unreachable(let reason):
            guard record.isActive else {
                resume(id, at: now)
                return
            }
            guard record.state != .stopping, record.state != .draining else { return }
            if record.state != .unknown { note("instance.unknown", reason, instance: id, at: now) }
            set(id, .unknown, reason, at: now)
        case .absent:
            // The machine was started anew, or its folder is gone: no fault of its own.
            if record.isActive {
                record.intent == .run ? revive(id, at: now) : afterStop(id, at: now)
            } else {
                resume(id, at: now)
            }
        }
    }

    /// Goes on with one that was not running.
    private mutating func resume(_ id: InstanceID, at now: Timestamp) {
        guard let record = instances[id] else { return }
        if record.state == .backoff { schedule(.restart(id, generation: nextGeneration(id)), after: .zero) }
        if record.state == .failed, record.intent == .run { fail(because: id, record.reason, at: now) }
    }
}

/// The signals that a module file may name, with their numbers on Linux (signal(7)).
package enum SignalName {
    package static func number(_ name: String) -> Int32 {
        switch name {
        case "HUP": 1
        case "INT": 2
        case "QUIT": 3
        case "KILL": 9
        case "USR1": 10
        case "USR2": 12
        default: 15
        }
    }
}
