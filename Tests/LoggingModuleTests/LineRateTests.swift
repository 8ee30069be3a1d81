import OrchModel
import Testing

@testable import LoggingModule

struct LineRateTests {
    private func time(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    @Test func `so many pass each second, and the others are counted`() {
        var rate = LineRate(linesPerSecond: 3)
        let first = (1...10).map { rate.admits(Int64($0), at: time(1000 + Int64($0))) }
        #expect(first.count { $0 } == 3)
        #expect(first.prefix(3).allSatisfy { $0 })
        #expect(!rate.isDue(at: time(1999)))
        #expect(rate.isDue(at: time(2000)))
        #expect(rate.lastSuppressed == 10)
        let taken = [rate.takeSuppressed(), rate.takeSuppressed()]
        #expect(taken == [7, 0])
        let passes = rate.admits(11, at: time(2001))
        #expect(passes)
    }

    @Test func `without a limit all pass`() {
        var rate = LineRate(linesPerSecond: 0)
        for entry in 1...10_000 as ClosedRange<Int64> {
            let passes = rate.admits(entry, at: time(5))
            #expect(passes)
        }
    }

    @Test func `the same lines are decided the same when they are sent again`() {
        let times = (0..<500).map { time(Int64($0 * 7)) }
        func decide() -> [Bool] {
            var rate = LineRate(linesPerSecond: 20)
            return times.enumerated().map { rate.admits(Int64($0.offset), at: $0.element) }
        }
        #expect(decide() == decide())
    }
}
