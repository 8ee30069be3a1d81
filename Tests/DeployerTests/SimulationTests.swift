import OrchModuleFile
import Testing

@testable import Deployer
@testable import OrchModel

/// Thousands of lives of a service, each by its own seed: deploys of good and bad versions, changes of mind, programs that
/// die, checks that flap, and an agent that is killed between any two steps.
struct SimulationTests {
    private static let runs = 3000
    private static let parts = 10

    @Test(.timeLimit(.minutes(5)), arguments: 0..<parts)
    func `a rollout keeps its promises whatever happens`(part: Int) throws {
        for run in 0..<Self.runs / Self.parts {
            let seed = part * Self.runs + run
            let complaints = try live(seed)
            #expect(complaints.isEmpty, "seed \(seed): \(complaints.prefix(3))")
            if !complaints.isEmpty { return }
        }
    }

    private func live(_ seed: Int) throws -> [String] {
        var world = SimulatedWorld(seed: seed, name: ModuleName(unchecked: "shop"))
        let makeSpec = try specMaker(&world)
        world.faults = world.pick([0, 0, 200, 60, 25])
        world.apply(.deploy(try makeSpec(1), port: 18_000), .good)
        for version in 2...world.pick(3...6) {
            run(&world, steps: world.pick(1...120))
            switch world.pick(0...9) {
            case 0: world.apply(.scale(world.pick(1...5)))
            case 1: world.apply(.restart)
            case 2: if let earlier = try? world.machine.earlierRevision(nil) { world.apply(.rollback(earlier.number)) }
            case 3:
                world.apply(.stop)
                run(&world, steps: world.pick(0...60))
                world.apply(.start)
            default:
                let behaviour = world.pick(SimulatedWorld.Behaviour.allCases + [.good, .good, .good])
                world.apply(.deploy(try makeSpec(version), port: 18_000), behaviour)
            }
            if world.chance(8) {
                run(&world, steps: world.pick(0...30))
                world.steer(.pause)
                run(&world, steps: world.pick(0...30))
                world.steer(.resume)
            }
        }
        // From here on nothing goes wrong any more, and somebody decides about what waits for a decision.
        world.faults = 0
        for _ in 0..<200 where world.complaints.isEmpty {
            run(&world, steps: 500)
            guard world.machine.service.deployment != nil else { break }
            world.steer(.resume)
            world.steer(world.chance(2) ? .promote : .abort)
        }
        run(&world, steps: 2000)
        world.checkEnd()
        return world.complaints
    }

    private func run(_ world: inout SimulatedWorld, steps: Int) {
        for _ in 0..<steps where world.complaints.isEmpty {
            guard world.step() else { return }
        }
    }

    /// Makes the versions of one service, which differ in their version and perhaps in the number of instances.
    private func specMaker(_ world: inout SimulatedWorld) throws -> (Int) throws -> ModuleSpec {
        let isFixed = world.chance(5)
        let replicas = isFixed ? 1 : world.pick(1...5)
        let strategy = world.pick(UpdateSpec.Strategy.allCases)
        let check = world.chance(3) ? "" : "health: {type: tcp}\n"
        let counts = (0...6).map { _ in isFixed || world.chance(2) ? replicas : world.pick(1...5) }
        let text =
            "name: shop\ncommand: x\nports: [{name: http, port: \(isFixed ? 8080 : 0)}]\n\(check)"
            + "restart: {initial_delay: 10ms, max_delay: 1s}\n"
            + "update: {strategy: \(strategy.rawValue), max_surge: \(world.pick(["1", "25%", "100%"])), max_unavailable: \(world.pick(["1", "50%"])), canary: \(world.pick(1...60)), monitor: 2s, on_failure: \(world.chance(4) ? "pause" : "rollback")}\n"
        return { version in
            try ModuleFile.parse(
                text + "replicas: \(counts[version])\nversion: \"\(version)\"\n", path: "m", baseDirectory: "/")
        }
    }
}
