import Glibc
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import Scheduler

/// Compares with croniter, which nobody of ours wrote.
@Suite struct OtherLibraryTests {
    private static let years: Int64 = 10
    /// Of one expression so many are compared at most.
    private static let most = 4000

    @Test(.timeLimit(.minutes(3))) func `due times of ten years are those that another library finds`() throws {
        var numbers = SeededNumbers(seed: 20_261_126)
        let known = [
            "*/15 * * * *", "30 8 * * mon-fri", "0 0 29 2 *", "0 12 1,15 * fri", "@hourly", "@monthly", "0 6 * * 7",
            "0 0 l * *",
            "0 0 * * fri#2", "15,45 9-17/2 * jan-jun 1", "59 23 31 12 *", "*/20 30 6 1 */3 *",
        ]
        let expressions = known + (0..<60).map { _ in Self.expression(&numbers) }
        let start = try #require(Timestamp(rfc3339: "2026-01-01T00:00:00Z"))
        let end = start + .seconds(Self.years * 365 * 86_400)
        let theirs = try Self.ask(expressions, from: start)
        #expect(theirs.count == expressions.count)
        var compared = 0
        for (expression, line) in zip(expressions, theirs) where line != "-" {
            let cron = try CronExpression(expression)
            var ours: [Int64] = []
            var time = start
            while ours.count < Self.most, let next = cron.next(after: time, in: .utc), next < end {
                ours.append(next.seconds)
                time = next
            }
            let expected = line.split(separator: " ").compactMap { Int64($0) }
            let difference = zip(ours, expected).first { $0 != $1 }
            #expect(difference == nil, "\(expression)")
            #expect(ours.count == expected.count, "\(expression)")
            compared += expected.count
        }
        #expect(compared > 50_000)
    }

    /// One that the other library means the same by.
    private static func expression(_ numbers: inout SeededNumbers) -> String {
        func number(_ range: ClosedRange<Int>) -> Int {
            range.lowerBound + Int(numbers.next() % UInt64(range.count))
        }
        func field(_ range: ClosedRange<Int>, steps: Bool = true) -> String {
            switch number(0...5) {
            case 0, 1: return "*"
            case 2 where steps: return "*/\(number(2...12))"
            case 3:
                // The other library takes a range of one number for all of them.
                let from = number(range.lowerBound...range.upperBound - 1)
                return "\(from)-\(number(from + 1...range.upperBound))"
            case 4: return "\(number(range)),\(number(range))"
            default: return "\(number(range))"
            }
        }
        // Not in every minute: ten years of that tell no more.
        let minute = "\(number(0...59))"
        let fields = [minute, field(0...23), field(1...28, steps: false), field(1...12), field(0...6, steps: false)]
        return (number(0...3) == 0 ? ["\(number(0...59))"] + fields : fields).joined(separator: " ")
    }

    private static func ask(_ expressions: [String], from start: Timestamp) throws -> [String] {
        let folder = TemporaryFolder()
        let script = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/due_times.py"
        try Files.replace("\(folder.path)/in", with: expressions.joined(separator: "\n") + "\n")
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        var launch = ProgramLaunch(
            program: try Programs.find("python3", path: path, in: "/"),
            arguments: ["python3", script, "\(start.seconds)", "\(years)", "\(most)"], environment: ["PATH=\(path)"])
        let input = try Descriptor(opening: "\(folder.path)/in", .read)
        let output = try Descriptor(opening: "\(folder.path)/out", .create)
        launch.stdio = (input.number, output.number, STDERR_FILENO)
        let status = try launch.run(timeout: .seconds(150))
        try #require(status == 0)
        return try Files.readText("\(folder.path)/out").split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast().map(String.init)
    }
}
