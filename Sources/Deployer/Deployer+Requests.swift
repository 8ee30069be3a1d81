package import OrchModel
import OrchSystem

/// What people ask for.
extension Deployer {
    /// Returns when the change is written down; it goes on by itself.
    ///
    /// - Throws: ``OrchError``: `conflict` while another change goes on, `notFound` for an unknown service.
    package func request(_ change: ServiceMachine.Change, of name: ModuleName) async throws -> DeploymentView {
        try await send(change, of: name, checkIndex: nil)
    }

    /// Goes back to a version, or to the number of a revision; `nil` for the one before that has held.
    ///
    /// - Throws: `notFound` when there is none, `conflict` as ``request(_:of:)``, and when its address is somebody else's now.
    package func rollback(_ name: ModuleName, to version: String?) async throws -> DeploymentView {
        guard let machine = machines[name] else { throw unknown(name) }
        let earlier = try machine.earlierRevision(version)
        _ = try await traffic.reserve(earlier.spec, known: earlier.endpointPort)
        do {
            return try await send(.rollback(earlier.number), of: name, checkIndex: nil)
        } catch {
            await traffic.release(name)
            throw error
        }
    }

    /// Deploys a version.
    ///
    /// - Parameter checkIndex: the revision that must be the newest; `nil` for any.
    /// - Throws: also what is against its address, its server or its certificates.
    package func deploy(_ spec: ModuleSpec, checkIndex: Int?) async throws -> DeploymentView {
        let port = try await reserve(spec)
        do {
            return try await send(.deploy(spec, port: port), of: spec.name, checkIndex: checkIndex)
        } catch {
            await traffic.release(spec.name)
            throw error
        }
    }

    /// Finds out whether there is a server and an address for it, and holds the address.
    private func reserve(_ spec: ModuleSpec) async throws(OrchError) -> Int? {
        _ = try placement.choose(for: spec, beside: instances())
        let known = machines[spec.name]?.service.revisions.last { $0.spec.endpoint.port == 0 }?.endpointPort
        return try await traffic.reserve(spec, known: known)
    }

    private func send(_ change: ServiceMachine.Change, of name: ModuleName, checkIndex: Int?) async throws
        -> DeploymentView
    {
        try await withCheckedThrowingContinuation {
            mailbox.send(.change(name, change, checkIndex: checkIndex, $0))
        }
    }

    /// Promotes, aborts, pauses or resumes the deployment that goes on.
    package func steer(_ steering: ServiceMachine.Steering, of name: ModuleName) async throws -> DeploymentView {
        try await withCheckedThrowingContinuation { mailbox.send(.steer(name, steering, $0)) }
    }

    package func request(_ kind: DeploymentView.Kind, of instance: InstanceID) async throws {
        try await withCheckedThrowingContinuation { mailbox.send(.changeInstance(instance, kind, $0)) }
    }

    /// What a deploy would do; changes nothing.
    ///
    /// - Throws: what a deploy would be refused for.
    package func plan(_ spec: ModuleSpec) async throws -> PlanView {
        let machine = machines[spec.name]
        if machine == nil { try checkDependencies(of: spec) }
        _ = try await reserve(spec)
        await traffic.release(spec.name)
        let changes = try Plan.compare(machine?.spec, with: spec)
        let running = machine?.instances.values.count { $0.isActive } ?? 0
        let isNothing = changes.isEmpty && machine?.isSettled == true
        return PlanView(
            module: spec.name, fromRevision: machine?.service.target, changes: changes,
            start: isNothing ? 0 : spec.replicas, stop: isNothing ? 0 : running,
            steps: isNothing ? [] : Plan.steps(running > 0 ? machine?.spec : nil, spec),
            index: machine?.service.target ?? 0)
    }

    /// What differs between two revisions of a service.
    ///
    /// - Parameter from: the one before `to` by default; `to`: the one that shall run.
    package func compare(_ name: ModuleName, from: Int?, to: Int?) throws -> PlanView {
        guard let machine = machines[name] else { throw unknown(name) }
        let newer = to ?? machine.service.target
        let before = machine.service.revisions.last { $0.number < newer && $0.hasHeld }
        let older = from ?? before?.number ?? newer
        guard let first = machine.revision(older), let second = machine.revision(newer) else {
            let kept = machine.service.revisions.map { String($0.number) }.joined(separator: ", ")
            throw OrchError(
                .notFound, "\(name) has no revision \(machine.revision(older) == nil ? older : newer): kept are \(kept)"
            )
        }
        return PlanView(
            module: name, fromRevision: older, changes: try Plan.compare(first.spec, with: second.spec), start: 0,
            stop: 0, steps: [], index: newer)
    }
}
