package import Logging
import NIOCore
import NIOPosix
package import OrchModel
import OrchSystem

/// Brings services from what they are to what they shall be, and keeps them there.
///
/// One loop takes every input in order: it lets the service's machine decide, writes the decision down, answers whoever
/// asked, and only then acts. What was answered survives a crash, and what was not done yet is done after it.
package actor Deployer {
    private enum Message: Sendable {
        case change(
            ModuleName, ServiceMachine.Change, checkIndex: Int?, CheckedContinuation<DeploymentView, any Error>)
        case steer(ModuleName, ServiceMachine.Steering, CheckedContinuation<DeploymentView, any Error>)
        case changeInstance(InstanceID, DeploymentView.Kind, CheckedContinuation<Void, any Error>)
        case input(ModuleName, ServiceMachine.Input)
        case note(Event)
    }

    private let runtime: any InstanceRuntime
    private let journal: any DeploymentJournal
    private let observer: any DeploymentObserver
    private let traffic: any TrafficControl
    private let placement: any InstancePlacement
    private let logger: Logger
    private let mailbox = Mailbox<Message>()
    private let health: HealthMonitor
    private let serverName: String
    private var machines: [ModuleName: ServiceMachine] = [:]
    private var modules: [InstanceID: ModuleName] = [:]
    private var lost: [InstanceID: Int64] = [:]
    private var lastEvent: Int64 = 0
    /// Events that others have told of.
    private var notes: [Event] = []
    /// What could not be written down; it goes with the next changes.
    private var unsaved = JournalChanges()
    private var generator = SystemRandomNumberGenerator()

    package init(
        runtime: any InstanceRuntime, journal: any DeploymentJournal, observer: any DeploymentObserver,
        traffic: any TrafficControl, placement: any InstancePlacement, serverName: String, logger: Logger
    ) {
        self.runtime = runtime
        self.journal = journal
        self.observer = observer
        self.traffic = traffic
        self.placement = placement
        self.serverName = serverName
        self.logger = logger
        let owner = OwnerTable()
        owners = owner
        let mailbox = mailbox
        health = HealthMonitor { id, verdict in
            if let module = owner.module(of: id) { mailbox.send(.input(module, .health(id, verdict))) }
        }
    }

    /// Which module an instance belongs to, for those who report from other threads.
    private let owners: OwnerTable

    // MARK: Running

    /// Reads the journal, and finds again what runs.
    package func restore() async throws {
        var content = try await journal.load()
        lastEvent = content.lastEvent
        try await addLaunchesWithoutRecord(to: &content)
        let byModule = Dictionary(grouping: content.instances, by: \.module)
        for service in content.services {
            machines[service.name] = ServiceMachine(service, instances: byModule[service.name] ?? [])
        }
        for record in content.instances where machines[record.module] != nil {
            own(record.id, record.module)
            let found = await runtime.adopt(record.id, process: record.process, ports: record.ports)
            mailbox.send(.input(record.module, .found(record.id, found)))
        }
        for (name, machine) in machines {
            mailbox.send(.input(name, .restored))
            await traffic.set(machine.route, of: name)
        }
    }

    /// Instances whose records are gone (the database was lost) are known by the file beside their socket.
    private func addLaunchesWithoutRecord(to content: inout JournalContent) async throws {
        // A record whose service is gone is as good as none.
        let named = Set(content.services.map(\.name))
        content.instances.removeAll { !named.contains($0.module) }
        let known = Set(content.instances.map(\.id))
        var rebuilt = JournalChanges()
        for launch in await runtime.launches() where !known.contains(launch.id) {
            let name = launch.spec.name
            let port = try? await traffic.reserve(launch.spec, known: nil)
            let revision = Revision(
                number: launch.revision, spec: launch.spec, deployedAt: .now(), endpointPort: port)
            guard case .running(let running) = await runtime.adopt(launch.id, process: nil, ports: launch.ports) else {
                await runtime.discard(launch.id)
                continue
            }
            if let index = content.services.firstIndex(where: { $0.name == name }) {
                if !content.services[index].revisions.contains(where: { $0.number == launch.revision }) {
                    content.services[index].revisions.append(revision)
                    content.services[index].revisions.sort { $0.number < $1.number }
                }
                content.services[index].target = max(content.services[index].target, launch.revision)
            } else {
                content.services.append(
                    ServiceRecord(
                        name: name, revisions: [revision], target: launch.revision, desired: .running))
            }
            var record = InstanceRecord(
                id: launch.id, module: name, revision: launch.revision, ordinal: launch.ordinal, since: .now())
            record.state = .running
            record.isReady = true
            record.process = running.process
            record.ports = running.ports
            content.instances.append(record)
            rebuilt.instances.append(record)
            logger.warning(
                "an instance without a record was found and taken over", metadata: ["instance": "\(launch.id)"])
        }
        let modules = Set(rebuilt.instances.map(\.module))
        rebuilt.services = content.services.filter { modules.contains($0.name) }
        if !rebuilt.isEmpty { try await journal.save(rebuilt) }
    }

    /// Decides and acts until the task is cancelled or ``finish()`` is called. Instances are left as they are.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.forwardExits() }
            await mailbox.forEachBatch { batch in
                await process(batch, in: &group)
            }
            group.cancelAll()
        }
        try await health.shutDown()
    }

    package nonisolated func finish() { mailbox.finish() }

    /// Takes an event of somebody else down among its own, in order.
    package nonisolated func note(_ event: Event) { mailbox.send(.note(event)) }

    private nonisolated func forwardExits() async {
        for await (id, exit) in runtime.exits {
            if let module = owners.module(of: id) { mailbox.send(.input(module, .exited(id, exit))) }
        }
    }

    private func process(_ batch: [Message], in group: inout DiscardingTaskGroup) async {
        let before = machines
        var answers: [@Sendable ((any Error)?) -> Void] = []
        for message in batch { decide(message, &answers) }
        if machines.values.contains(where: { !($0.spec?.dependsOn.isEmpty ?? true) }) { checkDependencies() }
        adoptNewInstances()

        var changes = JournalChanges()
        var actions: [(ModuleName, ServiceMachine.Action)] = []
        var routed: [ModuleName] = []
        for name in machines.keys.sorted() {
            guard let result = machines[name]?.takeResults() else { continue }
            changes.add(result.changes)
            if !result.changes.isEmpty { routed.append(name) }
            actions.append(contentsOf: result.actions.map { (name, $0) })
        }
        changes.events += notes
        notes = []
        for index in changes.events.indices {
            lastEvent += 1
            changes.events[index].sequence = lastEvent
        }
        do {
            var all = unsaved
            all.add(changes)
            if !all.isEmpty { try await journal.save(all) }
            unsaved = JournalChanges()
        } catch {
            logger.error("a decision cannot be written down", metadata: ["cause": "\(error)"])
            if !answers.isEmpty {
                // Nobody was answered yet, so nothing was promised: back to where we were, and say so.
                machines = before
                let failure = OrchError(
                    .failed, "the agent cannot write to its database: free some disk space and try again", cause: error)
                for answer in answers { answer(failure) }
                resend(batch)
                return
            }
            unsaved.add(changes)
        }
        for answer in answers { answer(nil) }
        for name in changes.removedServices { machines[name] = nil }
        // Before anything is stopped: nobody is sent to an instance that is on its way out.
        for name in routed { await traffic.set(machines[name]?.route, of: name) }
        for (name, action) in actions { perform(action, of: name, in: &group) }
        for event in changes.events { log(event) }
        await observer.happened(changes.events)
        if !changes.isEmpty { await observer.servicesChanged(services, instances()) }
    }

    /// After a failed write the inputs that are no requests still hold.
    private func resend(_ batch: [Message]) {
        for message in batch {
            if case .input = message { mailbox.send(message) }
        }
    }

    private func decide(_ message: Message, _ answers: inout [@Sendable ((any Error)?) -> Void]) {
        let now = Timestamp.now()
        switch message {
        case .change(let name, let change, let checkIndex, let continuation):
            do throws(OrchError) {
                var machine = try machine(for: name, change)
                if let checkIndex, checkIndex != machine.service.target {
                    throw OrchError(
                        .conflict,
                        "\(name) is at revision \(machine.service.target), not \(checkIndex): somebody changed it, run 'orch plan' again"
                    )
                }
                if case .deploy(let spec, _) = change { machine.missingDependencies = missingDependencies(of: spec) }
                let deployment = try machine.apply(change, id: .random(using: &generator), at: now)
                machines[name] = machine
                answers.append { error in
                    if let error {
                        continuation.resume(throwing: error)
                    } else {
                        continuation.resume(returning: deployment)
                    }
                }
            } catch {
                continuation.resume(throwing: error)
            }
        case .steer(let name, let steering, let continuation):
            do throws(OrchError) {
                guard var machine = machines[name] else { throw unknown(name) }
                let deployment = try machine.steer(steering, at: now)
                machines[name] = machine
                answers.append { error in
                    if let error {
                        continuation.resume(throwing: error)
                    } else {
                        continuation.resume(returning: deployment)
                    }
                }
            } catch {
                continuation.resume(throwing: error)
            }
        case .changeInstance(let id, let kind, let continuation):
            do throws(OrchError) {
                guard let name = modules[id] else { throw OrchError(.notFound, "there is no instance \(id)") }
                try machines[name]?.applyToInstance(id, kind, at: now)
                answers.append { error in
                    if let error { continuation.resume(throwing: error) } else { continuation.resume() }
                }
            } catch {
                continuation.resume(throwing: error)
            }
        case .input(let name, let input): machines[name]?.handle(input, at: now)
        case .note(let event): notes.append(event)
        }
    }

    private func machine(for name: ModuleName, _ change: ServiceMachine.Change) throws(OrchError) -> ServiceMachine {
        if let machine = machines[name] { return machine }
        guard case .deploy(let spec, _) = change else { throw unknown(name) }
        try checkDependencies(of: spec)
        return ServiceMachine(new: name)
    }

    private func checkDependencies(of spec: ModuleSpec) throws(OrchError) {
        for dependency in spec.dependsOn where machines[dependency] == nil {
            throw OrchError(
                .invalidRequest,
                "\(spec.name) depends on \(dependency), which is not deployed: run 'orch deploy \(dependency)' first")
        }
    }

    private func unknown(_ name: ModuleName) -> OrchError {
        let hint =
            nearest(to: name.rawValue, in: machines.keys.map(\.rawValue)).map { "; did you mean \($0)?" }
            ?? ": 'orch services' lists them"
        return OrchError(.notFound, "there is no service \(name)\(hint)")
    }

    private func adoptNewInstances() {
        for (name, machine) in machines {
            for (id, record) in machine.instances where modules[id] == nil {
                own(id, name)
                guard let spec = machine.revision(record.revision)?.spec else { continue }
                // A server that was big enough a moment ago still is the best there is.
                let choice =
                    (try? placement.choose(for: spec, beside: instances()))
                    ?? PlacementChoice(server: serverName, reason: "no server has room; it stays here")
                machines[name]?.place(id, choice)
            }
        }
    }

    private func own(_ id: InstanceID, _ name: ModuleName) {
        modules[id] = name
        owners.set(id, name)
    }

    /// What a module depends on and does not work now.
    private func missingDependencies(of spec: ModuleSpec) -> [ModuleName] {
        spec.dependsOn.filter { dependency in
            !(machines[dependency]?.isUsable ?? false)
        }
    }

    private func checkDependencies() {
        for (name, machine) in machines {
            let missing = machine.spec.map(missingDependencies) ?? []
            if missing != machine.missingDependencies {
                machines[name]?.handle(.dependencies(missing: missing), at: .now())
            }
        }
    }

    // MARK: Acting

    private func perform(_ action: ServiceMachine.Action, of name: ModuleName, in group: inout DiscardingTaskGroup) {
        let (runtime, mailbox) = (runtime, mailbox)
        switch action {
        case .start(let launch):
            group.addTask {
                do throws(OrchError) {
                    mailbox.send(.input(name, .started(launch.id, try await runtime.start(launch))))
                } catch {
                    mailbox.send(.input(name, .startFailed(launch.id, error)))
                }
            }
        case .drain(let id, let limit):
            group.addTask { [traffic] in
                await traffic.drain(id, within: limit)
                mailbox.send(.input(name, .drained(id)))
            }
        case .stop(let id, let signal, let grace):
            group.addTask { [logger] in
                do throws(OrchError) {
                    try await runtime.stop(id, signal: signal, grace: grace)
                } catch {
                    logger.error("an instance cannot be stopped", metadata: ["instance": "\(id)", "cause": "\(error)"])
                    mailbox.send(.input(name, .stopFailed(id)))
                }
            }
        case .discard(let id):
            modules[id] = nil
            owners.set(id, nil)
            lost[id] = nil
            group.addTask { await runtime.discard(id) }
        case .watchHealth(let id, let spec, let ports):
            let port = spec.health.port.isEmpty ? spec.ports.first?.name ?? "" : spec.health.port
            health.watch(
                id, spec.health, provingChecks: spec.update.monitorChecks, ports: ports, portName: port,
                environment: spec.env)
        case .endHealthWatch(let id): health.end(id)
        case .schedule(let timer, let span):
            MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .nanoseconds(span.nanoseconds)) {
                mailbox.send(.input(name, .timer(timer)))
            }
        case .diagnose(let id):
            group.addTask {
                let diagnosis = await runtime.diagnose(id, lines: ServiceMachine.lastLineCount)
                mailbox.send(.input(name, .diagnosis(id, diagnosis)))
            }
        }
    }

    private func log(_ event: Event) {
        var metadata: Logger.Metadata = [:]
        if let module = event.module { metadata["module"] = "\(module)" }
        if let instance = event.instance { metadata["instance"] = "\(instance)" }
        if let deployment = event.deployment { metadata["deployment"] = "\(deployment)" }
        logger.info("\(event.kind)\(event.message.isEmpty ? "" : ": \(event.message)")", metadata: metadata)
    }

    // MARK: Requests

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

    // MARK: What there is

    package var services: [ServiceView] { machines.values.map(\.serviceView).sorted { $0.name < $1.name } }

    package func instances() -> [InstanceView] {
        machines.keys.sorted().flatMap { machines[$0]?.view(server: serverName) { lost[$0] ?? 0 } ?? [] }
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

    package func spec(of name: ModuleName) -> ModuleSpec? { machines[name]?.spec }

    package func service(_ name: ModuleName) -> ServiceRecord? { machines[name]?.service }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView? {
        for machine in machines.values {
            if let deployment = machine.service.deployment, deployment.id == id { return deployment }
        }
        return try await journal.deployment(id)
    }

    /// The counts of lost lines, as the logging module knows them.
    package func set(lost counts: [InstanceID: Int64]) { lost = counts }

}

extension JournalChanges {
    fileprivate mutating func add(_ other: JournalChanges) {
        services += other.services
        removedServices += other.removedServices
        instances += other.instances
        removedInstances += other.removedInstances
        deployments += other.deployments
        events += other.events
    }
}
