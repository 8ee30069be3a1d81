import OrchModel
import Testing

@testable import LoggingModule

struct TimeWindowTests {
    private func line(_ instance: String, seq: Int64, at milliseconds: Int64) -> LogLine {
        LogLine(
            at: Timestamp(milliseconds: milliseconds), topic: TopicName(unchecked: "t"), instance: instance,
            stream: "stdout", level: LogLevel.info.rawValue, seq: seq, line: "")
    }

    @Test func `lines of several instances are put in order of time`() {
        var window = TimeWindow()
        for (instance, seq, time) in [("a", 1, 10), ("a", 2, 30), ("b", 1, 20), ("b", 2, 40)]
            as [(String, Int64, Int64)]
        {
            window.add(line(instance, seq: seq, at: time))
        }
        #expect(window.takeEarliest(3).map(\.at.milliseconds) == [10, 20, 30])
        #expect(window.count == 1)
    }

    /// The time of a line is that of its machine's clock, which an administrator or NTP may set back.
    @Test func `lines of one instance stay in order when its clock is set back`() {
        var window = TimeWindow()
        var seq: Int64 = 0
        for time in [100, 110, 50, 60, 120] as [Int64] {
            seq += 1
            window.add(line("a", seq: seq, at: time))
            window.add(line("b", seq: seq, at: 100 + seq))
        }
        let all = window.takeEarliest(window.count)
        #expect(all.filter { $0.instance == "a" }.map(\.seq) == [1, 2, 3, 4, 5])
        #expect(all.filter { $0.instance == "b" }.map(\.seq) == [1, 2, 3, 4, 5])
        // What came after the step back is not put before what was written at the same time elsewhere.
        #expect(all.map(\.instance) == ["a", "b", "b", "b", "b", "b", "a", "a", "a", "a"])
    }
}
