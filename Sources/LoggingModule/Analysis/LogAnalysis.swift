import FoundationEssentials
package import OrchModel

/// Sums lines up as they are read, in memory that does not grow with their number.
package struct LogAnalysis: Sendable {
    package struct Bounds: Sendable {
        /// Spans that the counts over time have.
        package var buckets = 60
        package var patterns = 50
        package var gaps = 5
        package var instances = 20

        package init() {}
    }

    private static let mostInstances = 10_000
    /// A burst has at least so many errors in a span, and so many times the usual.
    private static let fewestErrors = 10
    private static let unusual = 4.0
    private static let longestLine = 200
    private static let shortestGap = TimeSpan.seconds(1)

    private let bounds: Bounds
    private let deployedAt: Timestamp?
    private var lines = 0
    private var bytes = 0
    private var from: Timestamp?
    private var until: Timestamp?
    private var levels: [LogLevel: Int] = [:]
    private var histogram = LevelHistogram()
    private var miner = PatternMiner()
    private var instances: [String: LogAnalysisView.Instance] = [:]
    private var lastLines: [String: Timestamp] = [:]
    private var gaps: [LogAnalysisView.Gap] = []

    /// - Parameter deployedAt: patterns that were not seen before it are new.
    package init(_ bounds: Bounds, deployedAt: Timestamp?) {
        self.bounds = bounds
        self.deployedAt = deployedAt
    }

    package mutating func add(_ line: LogLine) {
        let level = LogLevel(rawValue: line.level) ?? .unknown
        lines += 1
        bytes += line.line.utf8.count
        from = min(from ?? line.at, line.at)
        until = max(until ?? line.at, line.at)
        addInstance(line, level)
        if line.stream == "orch" { return }
        addGap(line)
        // A stack trace is part of the line above it, and with it one error.
        if line.continues != nil { return }
        levels[level, default: 0] += 1
        histogram.add(level, at: line.at)
        miner.add(Self.message(of: line.line), level: level, at: line.at)
    }

    /// What a line of JSON says, without the fields beside it.
    private static func message(of line: String) -> String {
        guard line.utf8.first == UInt8(ascii: "{"),
            case .object(let members)? = try? JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
        else { return line }
        for key in ["msg", "message", "event", "text"] {
            if case .string(let text)? = members[key] { return text }
        }
        return line
    }

    private mutating func addInstance(_ line: LogLine, _ level: LogLevel) {
        guard instances[line.instance] != nil || instances.count < Self.mostInstances else { return }
        var instance =
            instances[line.instance]
            ?? LogAnalysisView.Instance(
                instance: line.instance, lines: 0, errors: 0, bytes: 0, lost: 0, suppressed: 0)
        instance.lines += 1
        instance.bytes += line.line.utf8.count
        if level >= .error, line.continues == nil { instance.errors += 1 }
        if line.stream == "orch" {
            instance.lost += Self.count(in: line.line, behind: "lost=")
            instance.suppressed += Self.count(in: line.line, behind: "suppressed=")
        }
        instances[line.instance] = instance
    }

    private static func count(in text: String, behind word: String) -> Int {
        text.hasPrefix(word) ? Int(text.dropFirst(word.count).prefix { $0.isNumber }) ?? 0 : 0
    }

    private mutating func addGap(_ line: LogLine) {
        let before = lastLines[line.instance]
        guard before != nil || lastLines.count < Self.mostInstances else { return }
        lastLines[line.instance] = max(before ?? line.at, line.at)
        guard let before, line.at - before >= Self.shortestGap else { return }
        if gaps.count == bounds.gaps, let shortest = gaps.last, line.at - before <= shortest.until - shortest.from {
            return
        }
        gaps.append(
            LogAnalysisView.Gap(
                instance: line.instance, from: before, until: line.at, line: String(line.line.prefix(Self.longestLine)))
        )
        gaps.sort { $0.until - $0.from > $1.until - $1.from }
        gaps = Array(gaps.prefix(bounds.gaps))
    }

    /// What all of it comes to.
    package var view: LogAnalysisView {
        var histogram = histogram
        histogram.fold(into: bounds.buckets)
        let patterns = miner.patterns.sorted { ($1.count, $0.template) < ($0.count, $1.template) }
        // New ones are told whatever their number. Where nothing was seen before, nothing can be told to be new.
        let newSince = deployedAt.flatMap { deployedAt in from.flatMap { $0 < deployedAt ? deployedAt : nil } }
        let isNew = { (pattern: PatternMiner.Pattern) in newSince.map { pattern.first >= $0 } ?? false }
        let told = patterns.enumerated().filter { $0.offset < bounds.patterns || isNew($0.element) }.map(\.element)
        return LogAnalysisView(
            lines: lines, bytes: bytes, from: from, until: until,
            levels: Dictionary(uniqueKeysWithValues: levels.map { ($0.key.rawValue, $0.value) }),
            bucketWidth: .seconds(histogram.width),
            buckets: histogram.buckets.map { bucket in
                LogAnalysisView.Bucket(
                    at: bucket.at,
                    levels: Dictionary(uniqueKeysWithValues: bucket.levels.map { ($0.key.rawValue, $0.value) }))
            },
            patterns: told.map {
                LogAnalysisView.Pattern(
                    template: $0.template, level: $0.level.rawValue, count: $0.count, first: $0.first, last: $0.last,
                    sample: $0.sample, isNew: isNew($0))
            },
            otherLines: miner.otherLines + patterns.map(\.count).reduce(0, +) - told.map(\.count).reduce(0, +),
            bursts: Self.bursts(in: histogram), gaps: gaps,
            instances: Array(
                instances.values.sorted { ($1.lines, $0.instance) < ($0.lines, $1.instance) }.prefix(bounds.instances)),
            deployedAt: deployedAt)
    }

    /// Neighbouring spans with far more errors than the spans have on average.
    private static func bursts(in histogram: LevelHistogram) -> [LogAnalysisView.Burst] {
        let buckets = histogram.buckets
        let errors = buckets.map { ($0.levels[.error] ?? 0) + ($0.levels[.critical] ?? 0) }
        let middle = errors.sorted().dropFirst(errors.count / 2).first ?? 0
        let bound = max(Double(fewestErrors), unusual * Double(max(middle, 1)))
        var bursts: [LogAnalysisView.Burst] = []
        for (bucket, count) in zip(buckets, errors) where Double(count) >= bound {
            let end = bucket.at + .seconds(histogram.width)
            if let last = bursts.last, last.until == bucket.at {
                bursts[bursts.count - 1].until = end
                bursts[bursts.count - 1].errors += count
            } else {
                bursts.append(LogAnalysisView.Burst(from: bucket.at, until: end, errors: count))
            }
        }
        return bursts
    }
}
