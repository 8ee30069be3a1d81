package import Logging
import NIOCore
import NIOPosix
package import OrchModel
import OrchSystem

/// Brings services from what they are to what they shall be, and keeps them there.
///
/// One loop takes every input in order: it lets the service's machine decide, writes the decision down, answers whoever
/// asked, and only then acts. What was answered survives a crash, and what was not done yet is done after it. While nothing
/// can be written, because the disk is full, only what ends something is done; it is written down when there is room again.
package actor Deployer {
    enum Message: Sendable {
        case change(
            ModuleName, ServiceMachine.Change, checkIndex: Int?, CheckedContinuation<DeploymentView, any Error>)
        case steer(ModuleName, ServiceMachine.Steering, CheckedContinuation<DeploymentView, any Error>)
        case changeInstance(InstanceID, DeploymentView.Kind, CheckedContinuation<Void, any Error>)
        case input(ModuleName, ServiceMachine.Input)
        case note(Event)

        /// Whether it is asked for by somebody and takes something away.
        var isWayOut: Bool {
            switch self {
            case .change(_, let change, _, _): change.isWayOut
            case .changeInstance(_, let kind, _): kind == .stop
            case .steer, .input, .note: false
            }
        }
    }

    /// Tells whoever sent a message that it is decided, and written down; or why not.
    private struct Answer {
        let message: Message
        let tell: @Sendable ((any Error)?) -> Void
    }

    let runtime: any InstanceRuntime
    let journal: any DeploymentJournal
    private let observer: any DeploymentObserver
    let traffic: any TrafficControl
    let placement: any InstancePlacement
    let logger: Logger
    let mailbox = Mailbox<Message>()
    let health: HealthMonitor
    let serverName: String
    var machines: [ModuleName: ServiceMachine] = [:]
    private var modules: [InstanceID: ModuleName] = [:]
    var lost: [InstanceID: Int64] = [:]
    private var lastEvent: Int64 = 0
    /// Events that others have told of.
    private var notes: [Event] = []
    /// What could not be written down; it goes with the next changes.
    package private(set) var unsaved = JournalChanges()
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
        health = HealthMonitor { id, spec in
            await runtime.check(id, spec)
        } report: { id, verdict in
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

    /// Decides and acts until the task is cancelled or ``finish()`` is called. Instances are left as they are.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.forwardNews() }
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

    private nonisolated func forwardNews() async {
        for await (id, news) in runtime.news {
            guard let module = owners.module(of: id) else { continue }
            switch news {
            case .ended(let exit): mailbox.send(.input(module, .exited(id, exit)))
            case .found(let found): mailbox.send(.input(module, .found(id, found)))
            }
        }
    }

    private func process(_ batch: [Message], in group: inout DiscardingTaskGroup) async {
        let before = machines
        var answers: [Answer] = []
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
            if !answers.allSatisfy(\.message.isWayOut) {
                // Nobody was answered yet, so nothing was promised: back to where we were, and say so.
                machines = before
                let failure = OrchError(
                    .failed, "the agent cannot write to its database: free some disk space and try again", cause: error)
                for answer in answers {
                    if answer.message.isWayOut { mailbox.send(answer.message) } else { answer.tell(failure) }
                }
                resend(batch)
                return
            }
            unsaved.add(changes)
        }
        for answer in answers { answer.tell(nil) }
        for name in changes.removedServices { machines[name] = nil }
        // Before anything is stopped: nobody is sent to an instance that is on its way out.
        for name in routed { await traffic.set(machines[name]?.route, of: name) }
        for (name, action) in actions { perform(action, of: name, in: &group) }
        for event in changes.events { log(event) }
        await observer.happened(changes.events)
        if !changes.isEmpty { await observer.servicesChanged(services, instances()) }
    }

    /// After a failed write what is no request still holds.
    private func resend(_ batch: [Message]) {
        for message in batch {
            switch message {
            case .input, .note: mailbox.send(message)
            case .change, .steer, .changeInstance: break
            }
        }
    }

    private func decide(_ message: Message, _ answers: inout [Answer]) {
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
                answers.append(
                    Answer(message: message) {
                        continuation.resume(with: $0.map { .failure($0) } ?? .success(deployment))
                    })
            } catch {
                continuation.resume(throwing: error)
            }
        case .steer(let name, let steering, let continuation):
            do throws(OrchError) {
                guard var machine = machines[name] else { throw unknown(name) }
                let deployment = try machine.steer(steering, at: now)
                machines[name] = machine
                answers.append(
                    Answer(message: message) {
                        continuation.resume(with: $0.map { .failure($0) } ?? .success(deployment))
                    })
            } catch {
                continuation.resume(throwing: error)
            }
        case .changeInstance(let id, let kind, let continuation):
            do throws(OrchError) {
                guard let name = modules[id] else { throw OrchError(.notFound, "there is no instance \(id)") }
                try machines[name]?.applyToInstance(id, kind, at: now)
                answers.append(
                    Answer(message: message) { continuation.resume(with: $0.map { .failure($0) } ?? .success(())) })
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

    func checkDependencies(of spec: ModuleSpec) throws(OrchError) {
        for dependency in spec.dependsOn where machines[dependency] == nil {
            throw OrchError(
                .invalidRequest,
                "\(spec.name) depends on \(dependency), which is not deployed: run 'orch deploy \(dependency)' first")
        }
    }

    func unknown(_ name: ModuleName) -> OrchError {
        let hint =
            nearest(to: name.rawValue, in: machines.keys.map(\.rawValue)).map { "; did you mean \($0)?" }
            ?? ": 'orch services' lists them"
        return OrchError(.notFound, "there is no service \(name)\(hint)")
    }

    private func adoptNewInstances() {
        let new = machines.flatMap { name, machine in
            machine.instances.values.filter { modules[$0.id] == nil }.map { (name: name, record: $0) }
        }
        guard !new.isEmpty else { return }
        let views = Dictionary(uniqueKeysWithValues: instances().map { ($0.id, $0) })
        var placed = views.values.filter { $0.placement != nil }
        for (name, record) in new.sorted(by: { ($0.name, $0.record.ordinal) < ($1.name, $1.record.ordinal) }) {
            own(record.id, name)
            guard let spec = machines[name]?.revision(record.revision)?.spec, var view = views[record.id] else {
                continue
            }
            // A server that was big enough a moment ago still is the best there is.
            let choice =
                (try? placement.choose(for: spec, beside: placed))
                ?? PlacementChoice(server: serverName, reason: "no server has room; it stays here")
            machines[name]?.place(record.id, choice)
            view.server = choice.server
            placed.append(view)
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
        case .start(var launch):
            launch.services = addresses(for: launch.spec)
            group.addTask { [launch] in
                do throws(OrchError) {
                    let running = try await runtime.start(launch) { text, progress in
                        mailbox.send(.input(name, .progress(launch.id, text, progress)))
                    }
                    mailbox.send(.input(name, .started(launch.id, running)))
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
                id, spec.health, provingChecks: spec.update.monitorChecks, ports: ports, portName: port)
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
}
