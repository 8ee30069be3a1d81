import Testing

@testable import Deployer
@testable import OrchModel

struct RestartMachineTests {
    private static let spec = RestartSpec(
        policy: .always, initialDelay: .milliseconds(100), maxDelay: .seconds(10), resetAfter: .seconds(10),
        giveUpAfter: 0)
    private let failure = Exit(code: 1, signal: nil, at: Timestamp(nanoseconds: 0))

    @Test(arguments: [(1, 0), (2, 100), (3, 200), (4, 400), (9, 10_000), (500, 10_000)])
    func `the first restart comes at once, then the pause doubles up to the limit`(failures: Int, milliseconds: Int64) {
        var machine = RestartMachine()
        var last = RestartMachine.Action.giveUp
        for _ in 0..<failures { last = machine.instanceEnded(failure, after: .zero, Self.spec) }
        #expect(last == .restart(after: .milliseconds(milliseconds)))
    }

    @Test func `a long time up forgets earlier failures`() {
        var machine = RestartMachine()
        for _ in 0..<5 { _ = machine.instanceEnded(failure, after: .zero, Self.spec) }
        #expect(machine.instanceEnded(failure, after: .seconds(10), Self.spec) == .restart(after: .zero))
    }

    @Test func `it gives up after as many failures as it was told`() {
        var spec = Self.spec
        spec.giveUpAfter = 2
        var machine = RestartMachine()
        #expect(machine.instanceEnded(failure, after: .zero, spec) == .restart(after: .zero))
        #expect(machine.instanceEnded(failure, after: .zero, spec) == .restart(after: .milliseconds(100)))
        #expect(machine.instanceEnded(failure, after: .zero, spec) == .giveUp)
    }

    @Test func `a job that ends well is complete, a service is started again`() {
        let clean = Exit(code: 0, signal: nil, at: Timestamp(nanoseconds: 0))
        var spec = Self.spec
        var machine = RestartMachine()
        #expect(machine.instanceEnded(clean, after: .zero, spec) == .restart(after: .zero))
        spec.policy = .onFailure
        #expect(machine.instanceEnded(clean, after: .zero, spec) == .complete)
        spec.policy = .never
        #expect(machine.instanceEnded(failure, after: .zero, spec) == .giveUp)
    }
}

struct HealthMachineTests {
    private static let spec = HealthSpec(
        type: .tcp, path: "/", port: "", command: [], interval: .seconds(5), timeout: .seconds(2), rise: 2, fall: 3,
        startPeriod: .seconds(10))
    private let start = Timestamp(seconds: 1000)

    @Test func `it rises after as many successes and falls after as many failures`() {
        var machine = HealthMachine(Self.spec, provingChecks: 0, startedAt: start)
        let later = start + .seconds(60)
        #expect(machine.checked(nil, at: later).change == nil)
        #expect(machine.checked(nil, at: later).change == .healthy)
        #expect(machine.checked("down", at: later).change == nil)
        #expect(machine.checked("down", at: later).change == nil)
        #expect(machine.checked("down", at: later).change == .unhealthy("down"))
        #expect(machine.checked("down", at: later).change == nil)
    }

    @Test func `failures while it starts do not count`() {
        var machine = HealthMachine(Self.spec, provingChecks: 0, startedAt: start)
        #expect(machine.checked("not yet", at: start + .seconds(9)).change == .failing("not yet"))
        for _ in 0..<10 { #expect(machine.checked("not yet", at: start + .seconds(9)).change == nil) }
        for _ in 0..<2 { #expect(machine.checked("not yet", at: start + .seconds(10)).change == nil) }
        #expect(machine.checked("still not", at: start + .seconds(10)).change == .unhealthy("still not"))
    }

    @Test func `so many passes in a row, quickly one after the other, prove it`() {
        var machine = HealthMachine(Self.spec, provingChecks: 3, startedAt: start)
        #expect(machine.checked(nil, at: start).change == nil)
        let healthy = machine.checked(nil, at: start)
        #expect(healthy.change == .healthy)
        #expect(healthy.pause == .milliseconds(200))
        _ = machine.checked(nil, at: start)
        #expect(machine.checked("one failure", at: start).change == nil)
        for _ in 0..<4 { #expect(machine.checked(nil, at: start).change == nil) }
        let proven = machine.checked(nil, at: start)
        #expect(proven.change == .proven)
        #expect(proven.pause == .seconds(5))
    }

    @Test func `checks come quickly until the first verdict and then at the interval`() {
        var machine = HealthMachine(Self.spec, provingChecks: 0, startedAt: start)
        #expect(machine.checked("no", at: start).pause == .milliseconds(5))
        #expect(machine.checked("no", at: start).pause == .milliseconds(10))
        #expect(machine.checked("no", at: start).pause == .milliseconds(20))
        for _ in 0..<20 { _ = machine.checked("no", at: start) }
        #expect(machine.checked("no", at: start).pause == .seconds(5))
    }
}
