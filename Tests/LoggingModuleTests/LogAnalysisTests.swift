import OrchModel
import Testing

@testable import LoggingModule

struct VariableMaskTests {
    @Test(arguments: [
        ("user=4711", "user=<*>"), ("2026-01-31T08:00:00.123Z", "<*>Z"), ("10.0.0.1:8080", "<*>"), ("12ms", "<*>ms"),
        ("plain", "plain"), ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "<*>"), ("worker-3", "worker-<*>"),
        ("/api/v1/users/42", "/api/v<*>/users/<*>"), ("0x7ffe12ab", "<*>"), ("", ""),
    ])
    func `what varies is masked and names stay`(word: String, masked: String) {
        #expect(VariableMask.mask(word) == masked)
    }
}

struct PatternMinerTests {
    @Test func `lines that differ in their variables are one pattern`() {
        var miner = PatternMiner()
        for number in 0..<100 {
            let time = Timestamp(seconds: Int64(number))
            miner.add("connection from 10.0.0.\(number) closed after \(number)ms", level: .info, at: time)
            miner.add("user \(["ann", "bob", "cy"][number % 3]) logged in from web", level: .info, at: time)
            miner.add("disk /dev/sda is full", level: .error, at: time)
        }
        let templates = Set(miner.patterns.map(\.template))
        #expect(
            templates == [
                "connection from <*> closed after <*>ms", "user <*> logged in from web", "disk /dev/sda is full",
            ])
        #expect(miner.patterns.allSatisfy { $0.count == 100 })
        #expect(miner.patterns.allSatisfy { $0.first == Timestamp(seconds: 0) && $0.last == Timestamp(seconds: 99) })
    }

    @Test func `memory stays bounded whatever comes, and every line is counted`() {
        var miner = PatternMiner()
        for number in 0..<5000 {
            let words = (0...number % 40).map { "w\(String(UnicodeScalar(UInt8(97 + (number + $0) % 26))))\($0)x" }
            miner.add("\(letters(number)) " + words.joined(separator: " "), level: .info, at: Timestamp(seconds: 1))
        }
        #expect(miner.patterns.count <= 2000)
        #expect(miner.patterns.map(\.count).reduce(0, +) + miner.otherLines == 5000)
    }

    private func letters(_ number: Int) -> String {
        String(String(number).map { Character(UnicodeScalar(UInt8(97 + ($0.wholeNumberValue ?? 0)))) })
    }
}

struct LogAnalysisTests {
    private func line(_ second: Int64, _ text: String, _ level: LogLevel = .info, stream: String = "stdout") -> LogLine
    {
        LogLine(
            at: Timestamp(seconds: 1_000_000 + second), topic: TopicName(unchecked: "t"), instance: "a", stream: stream,
            level: level.rawValue, seq: second + 1, line: text)
    }

    @Test func `levels, bursts, gaps, patterns and losses are told`() throws {
        var analysis = LogAnalysis(.init(), deployedAt: Timestamp(seconds: 1_000_000 + 300))
        for second in 0..<600 where !(100..<160).contains(second) {
            analysis.add(line(Int64(second), "request \(second) served"))
        }
        for count in 0..<50 { analysis.add(line(400, "cannot reach db, try \(count)", .error)) }
        analysis.add(line(600, "lost=7 lines were dropped", .warning, stream: "orch"))
        analysis.add(line(601, "suppressed=9 lines were left out", .warning, stream: "orch"))
        let view = analysis.view
        #expect(view.lines == 592)
        #expect(view.levels == ["info": 540, "error": 50])
        #expect(view.buckets.count <= 60)
        #expect(view.buckets.flatMap(\.levels.values).reduce(0, +) == 590)
        let burst = try #require(view.bursts.first)
        #expect(view.bursts.count == 1)
        #expect(burst.errors == 50)
        #expect(burst.from <= Timestamp(seconds: 1_000_400) && burst.until > Timestamp(seconds: 1_000_400))
        let gap = try #require(view.gaps.first)
        #expect(gap.until - gap.from == .seconds(61))
        #expect(gap.line == "request 160 served")
        #expect(view.patterns.map(\.template) == ["request <*> served", "cannot reach db, try <*>"])
        #expect(view.patterns.map(\.isNew) == [false, true])
        #expect(view.instances.first?.lost == 7)
        #expect(view.instances.first?.suppressed == 9)
    }

    @Test func `lines of JSON are told by their message`() {
        var analysis = LogAnalysis(.init(), deployedAt: nil)
        for number in 0..<5 { analysis.add(line(1, #"{"msg":"took \#(number) ms","id":"\#(number)x"}"#)) }
        #expect(analysis.view.patterns.map(\.template) == ["took <*> ms"])
    }

    @Test func `nothing is told of nothing`() {
        let view = LogAnalysis(.init(), deployedAt: nil).view
        #expect(view.lines == 0)
        #expect(view.from == nil)
        #expect(view.buckets.isEmpty)
    }

    @Test func `a stretch of a year is still told in few spans`() {
        var histogram = LevelHistogram()
        for day in 0..<365 { histogram.add(.info, at: Timestamp(seconds: Int64(day) * 86_400)) }
        histogram.fold(into: 60)
        #expect(histogram.buckets.count <= 60)
        #expect(histogram.buckets.flatMap(\.levels.values).reduce(0, +) == 365)
    }
}
