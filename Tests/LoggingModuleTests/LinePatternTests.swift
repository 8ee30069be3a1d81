import OrchModel
import TestSupport
import Testing

@testable import LoggingModule

struct LinePatternTests {
    private static let patterns = [
        "ab", "a+b", "a.*b", "a.*+b", "a[^b]*+b", "(?:a|ab)c", "(?>a|ab)c", "^a", "b$", "\\bab", "a\\.b", "(?i)AB",
        "a{2}",
        "a++", "[abc]+c", "(?<=a)b", "\\Ab", "a\\d", "(a)\\1", "a?b?c", "a\\Kb", "(*UTF)a", "[^a]b", "a|bc", "",
    ]

    /// What is said of many lines at once must hold for each of them.
    @Test(arguments: patterns) func `a line that matches is never left out with its neighbours`(text: String) throws {
        let pattern = try LinePattern(text)
        var numbers = SeededNumbers(seed: 7)
        for _ in 0..<500 {
            let lines = (0..<Int.random(in: 1...4, using: &numbers)).map { _ in
                (0..<Int.random(in: 0...6, using: &numbers)).map { _ in
                    Array("abc.1A ".utf8).randomElement(using: &numbers) ?? 0
                }
            }
            let between = (0..<3).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            let all = lines.reduce(between) { $0 + $1 + between }
            guard all.withUnsafeBytes({ pattern.isNowhere(in: $0) }) else { continue }
            for line in lines {
                #expect(!line.withUnsafeBytes { pattern.matches($0) }, "\(text) in \(line)")
            }
        }
    }

    @Test func `many lines are left out at once where the pattern allows it`() throws {
        let bytes = Array("one two three, none of which is it".utf8)
        for (text, isLeftOut) in [("four", true), ("t.*z", true), ("^four", false), ("two", false), ("four$", false)] {
            let pattern = try LinePattern(text)
            #expect(bytes.withUnsafeBytes { pattern.isNowhere(in: $0) } == isLeftOut, "\(text)")
        }
    }
}
