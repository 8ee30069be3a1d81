import FoundationEssentials
import OrchModuleFile
import TestSupport
import Testing

@testable import Deployer
@testable import OrchModel

/// One service, its processes and an agent that may crash, on a clock that jumps from event to event. Whatever could go
/// wrong does so by chance, and after each step the promises of a rollout are checked.
struct SimulatedWorld {
    /// How the programs of a version behave.
    enum Behaviour: CaseIterable { case good, missing, crashesAtStart, neverHealthy, diesInWindow }

    private enum Happening {
        case input(ServiceMachine.Input)
        case begin(InstanceLaunch)
        case end(InstanceID)
        case kill(InstanceID)
    }

    private struct Program {
        var launch: InstanceLaunch
        var isOver = false
    }

    let seed: Int
    private(set) var machine: ServiceMachine
    private(set) var now = Timestamp(seconds: 1_000_000)
    private(set) var deployments: [DeploymentView] = []
    private(set) var complaints: [String] = []
    private var random: SeededNumbers
    private var happenings: [(at: Timestamp, order: Int, what: Happening)] = []
    private var order = 0
    private var programs: [InstanceID: Program] = [:]
    private var ends: [InstanceID: Exit] = [:]
    private var behaviours: [Int: Behaviour] = [:]
    private var saved: (service: ServiceRecord, instances: [InstanceRecord])
    /// What may go wrong, one in so many times; 0 for nothing.
    var faults = 0

    init(seed: Int, name: ModuleName) {
        self.seed = seed
        random = SeededNumbers(seed: UInt64(seed))
        machine = ServiceMachine(new: name, generator: SeededNumbers(seed: UInt64(seed)))
        saved = (machine.service, [])
    }

    mutating func chance(_ one: Int) -> Bool { one > 0 && Int.random(in: 0..<one, using: &random) == 0 }
    mutating func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements.randomElement(using: &random)! }

    // MARK: What people do

    mutating func apply(_ change: ServiceMachine.Change, _ behaviour: Behaviour? = nil) {
        do throws(OrchError) {
            let before = memberIDs
            _ = try machine.apply(change, id: .random(using: &random), at: now)
            let target = machine.service.target
            switch change {
            case .deploy: if let behaviour { behaviours[target] = behaviours[target] ?? behaviour }
            case .rollback(let number): behaviours[target] = behaviours[number] ?? .good
            case .restart: behaviours[target] = behaviours[target - 1] ?? .good
            default: break
            }
            decided(before)
        } catch {
            if ![.conflict, .notFound, .invalidRequest].contains(error.code) {
                complain("\(change) refused: \(error.message)")
            }
        }
    }

    mutating func steer(_ steering: ServiceMachine.Steering) {
        let before = memberIDs
        do throws(OrchError) {
            _ = try machine.steer(steering, at: now)
            decided(before)
        } catch {
            if error.code != .conflict { complain("\(steering) refused: \(error.message)") }
        }
    }

    func behaviour(of revision: Int) -> Behaviour {
        let kind = behaviours[revision] ?? .good
        // Nobody finds out about that without a check.
        let isChecked = machine.revision(revision)?.spec.health.type != HealthSpec.Kind.none
        return kind == .neverHealthy && !isChecked ? .good : kind
    }

    // MARK: Time

    /// Lets happen what is next.
    ///
    /// - Returns: `false` when nothing is.
    mutating func step() -> Bool {
        guard
            let index = happenings.indices.min(by: {
                (happenings[$0].at, happenings[$0].order) < (happenings[$1].at, happenings[$1].order)
            })
        else { return false }
        let next = happenings.remove(at: index)
        now = max(now, next.at)
        switch next.what {
        case .input(let input): feed(input)
        case .begin(let launch): begin(launch)
        case .end(let id): end(id, signal: 15)
        case .kill(let id): end(id, signal: 9)
        }
        if chance(faults), let id = programs.keys.sorted().randomElement(using: &random) { later(.kill(id), 0...50) }
        if chance(faults * 2) { crashAgent() }
        checkPrograms()
        return true
    }

    private mutating func later(_ what: Happening, _ milliseconds: ClosedRange<Int>) {
        schedule(what, after: .milliseconds(Int64(pick(milliseconds))))
    }

    private mutating func schedule(_ what: Happening, after span: TimeSpan) {
        order += 1
        happenings.append((now + span, order, what))
    }

    private mutating func feed(_ input: ServiceMachine.Input) {
        let before = memberIDs
        machine.handle(input, at: now)
        decided(before)
    }

    /// What the machine wants is written down and then done, as the deployer does it.
    private mutating func decided(_ before: [InstanceID: Int]) {
        checkRoute(before)
        let (changes, actions) = machine.takeResults()
        // The agent may end before the decision is written down: then it was never taken.
        if chance(faults * 4) { return crashAgent() }
        saved = (machine.service, Array(machine.instances.values))
        deployments += changes.deployments
        if chance(faults * 4) { return crashAgent() }
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: ServiceMachine.Action) {
        switch action {
        case .start(let launch): later(.begin(launch), 1...30)
        case .drain(let id, _): later(.input(.drained(id)), 0...500)
        case .stop(let id, _, _):
            if chance(faults) { later(.input(.stopFailed(id)), 0...10) } else { later(.end(id), 1...2000) }
        case .watchHealth(let id, _, _): watch(id)
        case .schedule(let timer, let span): schedule(.input(.timer(timer)), after: span)
        case .diagnose(let id): later(.input(.diagnosis(id, Diagnosis(lastLines: ["last words"]))), 0...20)
        case .endHealthWatch: break
        case .discard(let id):
            if programs[id] != nil { complain("\(id) is forgotten while it runs") }
            ends[id] = nil
        }
    }

    // MARK: Programs

    private mutating func begin(_ launch: InstanceLaunch) {
        let kind = behaviour(of: launch.revision)
        if kind == .missing || chance(faults) {
            return feed(.startFailed(launch.id, OrchError(.notFound, "no such program")))
        }
        if programs[launch.id] != nil { return complain("\(launch.id) is started twice") }
        programs[launch.id] = Program(launch: launch)
        ends[launch.id] = nil
        if kind == .crashesAtStart { later(.kill(launch.id), 0...20) }
        if kind == .diesInWindow { later(.kill(launch.id), 300...1500) }
        if chance(faults * 4) { return crashAgent() }
        feed(.started(launch.id, running(launch.id)))
    }

    private func running(_ id: InstanceID) -> RunningInstance {
        RunningInstance(process: .init(pid: 7, startTicks: 1, bootID: "b"), ports: ["http": 20_000])
    }

    private mutating func end(_ id: InstanceID, signal: Int32) {
        guard let program = programs.removeValue(forKey: id) else { return }
        _ = program
        let exit = Exit(code: nil, signal: signal, at: now)
        ends[id] = exit
        feed(.exited(id, exit))
    }

    private mutating func watch(_ id: InstanceID) {
        guard let program = programs[id], behaviour(of: program.launch.revision) != .neverHealthy else { return }
        later(.input(.health(id, .healthy)), 1...100)
        if chance(faults) {
            later(.input(.health(id, .unhealthy("flaps"))), 100...1000)
            later(.input(.health(id, .healthy)), 1000...2000)
        }
        later(.input(.health(id, .proven)), 2000...2500)
    }

    /// The agent ends here and now; another one starts from what was written down and finds what runs.
    private mutating func crashAgent() {
        happenings.removeAll { happening in
            switch happening.what {
            case .input, .begin: true
            // A program that was told to end does so by itself.
            case .end, .kill: false
            }
        }
        do {
            let encoder = JSONEncoder()
            let decoder = JSONDecoder()
            let service = try decoder.decode(ServiceRecord.self, from: encoder.encode(saved.service))
            let instances = try decoder.decode([InstanceRecord].self, from: encoder.encode(saved.instances))
            machine = ServiceMachine(
                service, instances: instances, generator: SeededNumbers(seed: UInt64(pick(1...1_000_000))))
        } catch {
            complain("the records cannot be read: \(error)")
        }
        // Nobody knows of it: its folder has no record. The deployer ends such ones at once.
        for id in programs.keys where machine.instances[id] == nil { programs[id] = nil }
        // What is found is told before anything else happens.
        let before = faults
        faults = 0
        for id in machine.instances.keys.sorted() {
            feed(.found(id, programs[id] != nil ? .running(running(id)) : ends[id].map { .ended($0) } ?? .absent))
        }
        feed(.restored)
        faults = before
    }

    // MARK: Promises

    private var memberIDs: [InstanceID: Int] {
        Dictionary(uniqueKeysWithValues: (machine.route?.members ?? []).map { ($0.id, $0.revision) })
    }

    private mutating func checkRoute(_ before: [InstanceID: Int]) {
        let after = memberIDs
        guard let spec = machine.spec else { return }
        if spec.update.strategy == .blueGreen, Set(after.values).count > 1 {
            complain("requests go to revisions \(Set(after.values).sorted()) at once")
        }
        guard machine.service.desired == .running else { return }
        // What was tried beside the others gets no more requests when it is taken back.
        if machine.service.deployment?.state == .rollingBack { return }
        let dismissed = before.keys.filter { id in
            after[id] == nil && machine.instances[id].map { $0.intent == .retire && $0.state == .draining } ?? false
        }
        guard !dismissed.isEmpty else { return }
        let least =
            spec.startsFirst
            ? spec.replicas : spec.update.strategy == .recreate ? 0 : spec.replicas - spec.unavailable
        if after.count < least {
            complain("\(dismissed.count) dismissed, and only \(after.count) of \(least) are left")
        }
    }

    private mutating func checkPrograms() {
        guard let spec = machine.spec, spec.sideBySideObstacle?.contains("fixed") == true else { return }
        if programs.count > spec.replicas {
            complain("\(programs.count) copies of a single one run: \(programs.keys.map(\.rawValue))")
        }
    }

    /// Once everything has come to rest.
    mutating func checkEnd() {
        if let deployment = machine.service.deployment {
            complain(
                "\(deployment.kind) is still \(deployment.state): \(machine.instances.values.map { "\($0.revision) \($0.state) \($0.intent)" })"
            )
            return
        }
        // One that is just being started is no program yet.
        let active = Set(machine.instances.values.filter { $0.isActive && $0.state != .starting }.map(\.id))
        if active != Set(programs.keys) {
            let states = active.subtracting(programs.keys).compactMap { machine.instances[$0] }
            complain(
                "\(programs.count) programs run, \(active.count) are known: \(states.map { "\($0.state) \($0.intent) \($0.reason)" })"
            )
        }
        guard let last = deployments.last(where: { $0.state.isFinal }), machine.service.desired == .running,
            [.deploy, .rollback, .restart].contains(last.kind)
        else { return }
        let revisions = Set(machine.instances.values.map(\.revision))
        let expected = last.state == .rolledBack ? last.fromRevision : last.toRevision
        guard last.state != .failed else { return }
        if revisions != [expected ?? 0] { complain("\(last.state), but revisions \(revisions.sorted()) are there") }
        let kind = behaviour(of: expected ?? 0)
        if kind == .good, memberIDs.count != machine.spec?.replicas {
            complain("\(last.state), but \(memberIDs.count) of \(machine.spec?.replicas ?? 0) serve")
        }
        if last.state == .succeeded, last.fromRevision != nil, kind != .good {
            complain("a version that is \(kind) has taken over")
        }
    }

    private mutating func complain(_ text: String) { complaints.append("\(now.rfc3339(decimals: 3)) \(text)") }
}
