import OrchModel

/// Finds the patterns that lines are made of, one line at a time, by a tree of fixed depth: lines of as many words that begin
/// alike are compared (P. He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017).
struct PatternMiner {
    struct Pattern {
        fileprivate(set) var words: [String]
        fileprivate(set) var level: LogLevel
        fileprivate(set) var count = 0
        fileprivate(set) var first: Timestamp
        fileprivate(set) var last: Timestamp
        let sample: String

        var template: String { words.joined(separator: " ") }
    }

    private struct Branch: Hashable {
        var wordCount: Int
        var firstWord: String
        var level: LogLevel
    }

    /// Two lines are of one pattern when at least this part of their words agree.
    private static let similarity = 0.6
    private static let mostPatterns = 2000
    /// Of one branch so many are compared, so that a line costs the same whatever came before.
    private static let mostPerBranch = 50
    private static let mostWords = 60
    private static let mostKnown = 20_000
    private static let longestSample = 400
    private static let star = "<*>"

    private(set) var patterns: [Pattern] = []
    /// Lines that came when there were too many patterns.
    private(set) var otherLines = 0
    private var branches: [Branch: [Int]] = [:]
    /// Masked lines whose pattern is known.
    private var known: [[String]: Int] = [:]

    mutating func add(_ text: String, level: LogLevel, at time: Timestamp) {
        let words = Array(VariableMask.words(of: text).prefix(Self.mostWords))
        guard let index = known[words].flatMap({ patterns[$0].level == level ? $0 : nil }) ?? find(words, level) else {
            begin(words, level, text, time)
            return
        }
        patterns[index].count += 1
        patterns[index].first = min(patterns[index].first, time)
        patterns[index].last = max(patterns[index].last, time)
    }

    private func branch(_ words: [String], _ level: LogLevel) -> Branch {
        // A first word that varies leads nowhere by itself; the next one that does not is as good.
        let first = words.first { !$0.contains(Self.star) } ?? Self.star
        return Branch(wordCount: words.count, firstWord: first, level: level)
    }

    private mutating func find(_ words: [String], _ level: LogLevel) -> Int? {
        var best: (index: Int, same: Int)?
        for index in branches[branch(words, level)] ?? [] {
            let same = zip(patterns[index].words, words).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
            if same > best?.same ?? -1 { best = (index, same) }
        }
        guard let best, Double(best.same) >= Self.similarity * Double(words.count) else { return nil }
        for position in words.indices where patterns[best.index].words[position] != words[position] {
            patterns[best.index].words[position] = Self.star
        }
        remember(words, best.index)
        return best.index
    }

    private mutating func begin(_ words: [String], _ level: LogLevel, _ text: String, _ time: Timestamp) {
        let branch = branch(words, level)
        guard patterns.count < Self.mostPatterns, branches[branch]?.count ?? 0 < Self.mostPerBranch else {
            otherLines += 1
            return
        }
        branches[branch, default: []].append(patterns.count)
        remember(words, patterns.count)
        patterns.append(
            Pattern(
                words: words, level: level, count: 1, first: time, last: time,
                sample: String(text.prefix(Self.longestSample))))
    }

    private mutating func remember(_ words: [String], _ index: Int) {
        if known.count >= Self.mostKnown { known = [:] }
        known[words] = index
    }
}
