import OrchModuleFile
import Testing

@testable import Deployer
@testable import OrchModel

/// A service in a world of its own: time moves when the test says so, and actions are done as the test likes.
private struct World {
    var machine: ServiceMachine
    var now = Timestamp(seconds: 1_000_000)
    var running: Set<InstanceID> = []
    var pending: [ServiceMachine.Action] = []
    var deployments: [DeploymentView] = []
    var events: [String] = []
    var nextPID: Int32 = 100

    init(_ yaml: String) throws {
        machine = ServiceMachine(new: try Self.spec(yaml).name)
    }

    static func spec(_ yaml: String) throws -> ModuleSpec {
        try ModuleFile.parse("name: shop\ncommand: x\n" + yaml, path: "m", baseDirectory: "/")
    }

    mutating func apply(_ change: ServiceMachine.Change) throws {
        _ = try machine.apply(change, id: DeploymentID(unchecked: "d-\(deployments.count)x\(now.nanoseconds)"), at: now)
        take()
    }

    mutating func feed(_ input: ServiceMachine.Input) {
        machine.handle(input, at: now)
        take()
    }

    private mutating func take() {
        let (changes, actions) = machine.takeResults()
        deployments += changes.deployments
        events += changes.events.map(\.kind)
        pending += actions
    }

    /// Does what was asked for, until nothing is left: programs start, become healthy where that is checked, and end when told.
    mutating func settle(
        starts: (InstanceLaunch) -> Bool = { _ in true }, lives: (InstanceLaunch) -> Bool = { _ in true }
    ) {
        while let action = pending.first {
            pending.removeFirst()
            switch action {
            case .start(let launch):
                guard starts(launch) else {
                    feed(.startFailed(launch.id, OrchError(.notFound, "no such program")))
                    continue
                }
                nextPID += 1
                running.insert(launch.id)
                feed(
                    .started(
                        launch.id,
                        RunningInstance(
                            process: .init(pid: nextPID, startTicks: 1, bootID: "b"), ports: ["http": 20_000])))
                if !lives(launch) { exit(launch.id, code: 1) }
            case .stop(let id, _, _): exit(id, signal: 15)
            case .watchHealth(let id, _, _): if running.contains(id) { feed(.health(id, .healthy)) }
            case .drain(let id, _): feed(.drained(id))
            case .schedule(let timer, let span):
                if case .deadline = timer { continue }
                now = now + span
                feed(.timer(timer))
            case .diagnose(let id): feed(.diagnosis(id, Diagnosis(lastLines: ["last words"])))
            case .discard, .endHealthWatch: break
            }
        }
    }

    mutating func exit(_ id: InstanceID, code: Int32? = nil, signal: Int32? = nil) {
        guard running.remove(id) != nil else { return }
        feed(.exited(id, Exit(code: code, signal: signal, at: now)))
    }

    var states: [InstanceState] { machine.instances.values.map(\.state).sorted { $0.rawValue < $1.rawValue } }
    var revisions: Set<Int> { Set(machine.instances.values.map(\.revision)) }
}

struct ServiceMachineTests {
    private let checked = "ports: [{name: http}]\nhealth: {type: tcp}\n"

    @Test func `a first deploy starts all replicas and succeeds when all are healthy`() throws {
        var world = try World(checked + "replicas: 3\n")
        try world.apply(.deploy(World.spec(checked + "replicas: 3\n"), port: 18_000))
        world.settle()
        #expect(world.states == [.healthy, .healthy, .healthy])
        #expect(world.deployments.last?.state == .succeeded)
        #expect(world.machine.serviceView.state == .running)
    }

    @Test func `without a check an instance is good once it has stayed up for a second`() throws {
        var world = try World("")
        try world.apply(.deploy(World.spec(""), port: 18_000))
        world.settle()
        let deployment = try #require(world.deployments.last)
        #expect(deployment.state == .succeeded)
        #expect(try #require(deployment.finishedAt) - deployment.startedAt == .seconds(1))
    }

    @Test func `an update never has fewer good instances than replicas, and ends with the new revision alone`() throws {
        var world = try World(checked + "replicas: 4\n")
        try world.apply(.deploy(World.spec(checked + "replicas: 4\n"), port: 18_000))
        world.settle()
        try world.apply(.deploy(World.spec(checked + "replicas: 4\nversion: two\n"), port: 18_000))
        while !world.pending.isEmpty {
            let next = world.pending.removeFirst()
            let rest = world.pending
            world.pending = [next]
            let up = world.machine.instances.values.count { $0.state == .healthy && $0.intent == .run }
            #expect(up >= 4, "only \(up) serve before \(next)")
            world.settleOne()
            world.pending = rest + world.pending
        }
        #expect(world.revisions == [2])
        #expect(world.states == [.healthy, .healthy, .healthy, .healthy])
        #expect(world.deployments.last?.state == .succeeded)
    }

    @Test func `with a fixed port the old instance is gone before the new one starts`() throws {
        let fixed = "ports: [{name: http, port: 8080}]\nhealth: {type: tcp}\n"
        var world = try World(fixed)
        try world.apply(.deploy(World.spec(fixed), port: 18_000))
        world.settle()
        try world.apply(.deploy(World.spec(fixed + "version: two\n"), port: 18_000))
        #expect(!world.pending.contains { if case .start = $0 { true } else { false } })
        world.settle()
        #expect(world.revisions == [2])
        #expect(world.deployments.last?.state == .succeeded)
    }

    @Test func `a new version that does not start is rolled back and the old one never stopped`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        let old = world.running
        try world.apply(.deploy(World.spec(checked + "version: two\n"), port: 18_000))
        world.settle(starts: { $0.revision == 1 })
        #expect(world.running == old)
        #expect(world.revisions == [1])
        #expect(world.deployments.last?.state == .rolledBack)
        #expect(world.deployments.last?.reason == "no such program")
        #expect(world.deployments.last?.lastLines == ["last words"])
        #expect(world.machine.serviceView.state == .running)
    }

    @Test func `a fixed port is rolled back too, by starting the old version again`() throws {
        let fixed = "ports: [{name: http, port: 8080}]\nhealth: {type: tcp}\n"
        var world = try World(fixed)
        try world.apply(.deploy(World.spec(fixed), port: 18_000))
        world.settle()
        try world.apply(.deploy(World.spec(fixed + "version: two\n"), port: 18_000))
        world.settle(lives: { $0.revision == 1 })
        #expect(world.revisions == [1])
        #expect(world.states == [.healthy])
        #expect(world.deployments.last?.state == .rolledBack)
    }

    @Test func `a first deploy that fails leaves nothing running and says that the service is down`() throws {
        var world = try World(checked + "replicas: 2\n")
        try world.apply(.deploy(World.spec(checked + "replicas: 2\n"), port: 18_000))
        world.settle(lives: { _ in false })
        #expect(world.running.isEmpty)
        #expect(world.deployments.last?.state == .failed)
        #expect(world.machine.serviceView.state == .down)
    }

    @Test func `a first deploy of which a part works keeps that part`() throws {
        var world = try World(checked + "replicas: 2\n")
        try world.apply(.deploy(World.spec(checked + "replicas: 2\n"), port: 18_000))
        world.settle(lives: { $0.ordinal == 0 })
        #expect(world.running.count == 1)
        #expect(world.deployments.last?.state == .failed)
        #expect(world.machine.serviceView.state == .degraded)
    }

    @Test func `an instance that misses its deadline makes the deploy fail`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked + "update: {healthy_timeout: 5s}\n"), port: 18_000))
        var deadline: ServiceMachine.Timer?
        while let action = world.pending.first {
            world.pending.removeFirst()
            switch action {
            case .start(let launch):
                world.running.insert(launch.id)
                world.feed(
                    .started(launch.id, RunningInstance(process: .init(pid: 7, startTicks: 1, bootID: "b"), ports: [:]))
                )
            case .schedule(let timer, let span):
                #expect(span == .seconds(5))
                deadline = timer
            default: break
            }
        }
        world.now = world.now + .seconds(5)
        world.feed(.timer(try #require(deadline)))
        world.settle()
        #expect(world.deployments.last?.state == .failed)
        #expect(world.deployments.last?.reason.contains("did not pass within 5s") == true)
        #expect(world.running.isEmpty)
    }

    @Test func `a crash is restarted in place and counted`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        let id = try #require(world.running.first)
        world.exit(id, code: 7)
        world.settle()
        #expect(world.running == [id])
        #expect(world.machine.instances[id]?.restarts == 1)
        #expect(world.machine.instances[id]?.lastExit?.code == 7)
        #expect(world.machine.instances[id]?.state == .healthy)
    }

    @Test func `a stop leaves stopped records, a start brings the same instances back, a removal none`() throws {
        var world = try World(checked + "replicas: 2\n")
        try world.apply(.deploy(World.spec(checked + "replicas: 2\n"), port: 18_000))
        world.settle()
        let ids = world.running
        try world.apply(.stop)
        world.settle()
        #expect(world.states == [.stopped, .stopped])
        #expect(world.machine.serviceView.state == .stopped)
        try world.apply(.start)
        world.settle()
        #expect(world.running == ids)
        #expect(world.deployments.last?.state == .succeeded)
        try world.apply(.remove)
        world.settle()
        #expect(world.machine.isGone)
        #expect(world.running.isEmpty)
    }

    @Test func `scaling adds and removes the highest copies`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        let first = world.running
        try world.apply(.scale(4))
        world.settle()
        #expect(world.running.count == 4)
        try world.apply(.scale(1))
        world.settle()
        #expect(world.running == first)
        #expect(throws: OrchError.self) { try world.apply(.scale(1001)) }
    }

    @Test func `a second change is a conflict while one goes on, but a stop is a way out`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        let error = #expect(throws: OrchError.self) {
            try world.apply(.deploy(World.spec(checked + "version: two\n"), port: 18_000))
        }
        #expect(error?.code == .conflict)
        try world.apply(.stop)
        world.settle()
        #expect(world.running.isEmpty)
    }

    @Test func `deploying what serves already changes nothing`() throws {
        var world = try World(checked)
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        let before = world.running
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        #expect(world.running == before)
        #expect(world.deployments.last?.reason == "nothing to change")
    }

    @Test func `a job that ends with 0 is complete, one that does not fails the deploy`() throws {
        let job = "restart: {policy: never}\n"
        var world = try World(job)
        try world.apply(.deploy(World.spec(job), port: 18_000))
        if case .start(let launch)? = world.pending.first {
            world.pending.removeFirst()
            world.running.insert(launch.id)
            world.feed(
                .started(launch.id, RunningInstance(process: .init(pid: 7, startTicks: 1, bootID: "b"), ports: [:])))
            world.exit(launch.id, code: 0)
        }
        world.settle()
        #expect(world.states == [.completed])
        #expect(world.deployments.last?.state == .succeeded)
        #expect(world.machine.serviceView.state == .completed)
    }

    @Test func `nothing starts before what it depends on`() throws {
        var world = try World(checked)
        world.feed(.dependencies(missing: [ModuleName(unchecked: "db")]))
        try world.apply(.deploy(World.spec(checked), port: 18_000))
        world.settle()
        #expect(world.running.isEmpty)
        world.feed(.dependencies(missing: []))
        world.settle()
        #expect(world.running.count == 1)
        #expect(world.deployments.last?.state == .succeeded)
    }

    @Test func `after a crash of the agent at any step the deployment still ends well`() throws {
        // The journal is what the machine's records are after each step; a new machine goes on from there.
        for crashAt in 0..<40 {
            var world = try World(checked + "replicas: 2\n")
            try world.apply(.deploy(World.spec(checked + "replicas: 2\n"), port: 18_000))
            world.settle()
            try world.apply(.deploy(World.spec(checked + "replicas: 2\nversion: two\n"), port: 18_000))
            var steps = 0
            while !world.pending.isEmpty, steps < crashAt {
                let rest = Array(world.pending.dropFirst())
                world.pending = [world.pending[0]]
                world.settleOne()
                world.pending = rest + world.pending
                steps += 1
            }
            world.pending = []
            world.machine = ServiceMachine(world.machine.service, instances: Array(world.machine.instances.values))
            for record in world.machine.instances.values.sorted(by: { $0.id < $1.id }) {
                let found: FoundInstance =
                    world.running.contains(record.id)
                    ? .running(
                        RunningInstance(process: .init(pid: 9, startTicks: 1, bootID: "b"), ports: ["http": 20_000]))
                    : .absent
                world.feed(.found(record.id, found))
            }
            world.feed(.restored)
            world.settle()
            #expect(world.revisions == [2], "crash after \(crashAt) steps")
            #expect(world.states == [.healthy, .healthy], "crash after \(crashAt) steps")
            #expect(world.machine.service.deployment == nil, "crash after \(crashAt) steps")
            #expect(world.running.count == 2, "crash after \(crashAt) steps")
        }
    }
}

extension World {
    /// Does the only action that is pending, and keeps what it leads to.
    fileprivate mutating func settleOne() {
        guard let action = pending.first else { return }
        pending.removeFirst()
        switch action {
        case .start(let launch):
            nextPID += 1
            running.insert(launch.id)
            feed(
                .started(
                    launch.id,
                    RunningInstance(process: .init(pid: nextPID, startTicks: 1, bootID: "b"), ports: ["http": 20_000])))
        case .stop(let id, _, _): exit(id, signal: 15)
        case .watchHealth(let id, _, _): if running.contains(id) { feed(.health(id, .healthy)) }
        case .drain(let id, _): feed(.drained(id))
        case .schedule(let timer, let span):
            if case .deadline = timer { return }
            now = now + span
            feed(.timer(timer))
        case .diagnose, .discard, .endHealthWatch: break
        }
    }
}
