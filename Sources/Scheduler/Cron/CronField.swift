import OrchModel

/// One field of a cron expression: the numbers that it means, as bits.
struct CronField: Sendable, Equatable {
    private(set) var bits: UInt64 = 0

    func contains(_ number: Int) -> Bool { bits & 1 << UInt64(number) != 0 }

    /// The first number from `start` on; `nil` when there is none.
    func first(from start: Int) -> Int? {
        guard start < 64 else { return nil }
        let rest = bits >> UInt64(start)
        return rest == 0 ? nil : start + rest.trailingZeroBitCount
    }

    mutating func insert(_ number: Int) { bits |= 1 << UInt64(number) }

    /// What a field may hold.
    struct Kind: Sendable {
        var noun: String
        var range: ClosedRange<Int>
        /// The first stands for the first number of the range.
        var names: [String] = []

        static let second = Kind(noun: "second", range: 0...59)
        static let minute = Kind(noun: "minute", range: 0...59)
        static let hour = Kind(noun: "hour", range: 0...23)
        static let day = Kind(noun: "day of month", range: 1...31)
        static let month = Kind(
            noun: "month", range: 1...12,
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
        /// 7 is Sunday, too.
        static let weekday = Kind(
            noun: "day of week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

        /// - Throws: `invalidRequest` that names the field and its range.
        func number(_ text: some StringProtocol) throws(OrchError) -> Int {
            if let index = names.firstIndex(of: text.lowercased()) { return index + range.lowerBound }
            guard let number = Int(text), range.contains(number) else { throw mistake(text) }
            return number
        }

        func mistake(_ part: some StringProtocol) -> OrchError {
            OrchError(
                .invalidRequest,
                "\(String(part).quotedOneLine) is no \(noun) of a cron expression: use \(range.lowerBound) to \(range.upperBound)"
            )
        }
    }

    /// Takes `*`, `?`, a number or name, a range, or one of these with a step.
    mutating func insert(_ part: Substring, _ kind: Kind) throws(OrchError) {
        let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
        guard pieces.count <= 2, let base = pieces.first, !base.isEmpty else { throw kind.mistake(part) }
        let step = pieces.count == 2 ? Int(pieces[1]) : 1
        guard let step, step > 0 else { throw kind.mistake(part) }
        var (from, to) = (kind.range.lowerBound, kind.range.upperBound)
        if base != "*" && base != "?" {
            let ends = base.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count <= 2 else { throw kind.mistake(part) }
            from = try kind.number(ends[0])
            to = ends.count == 2 ? try kind.number(ends[1]) : pieces.count == 2 ? kind.range.upperBound : from
            guard from <= to else { throw kind.mistake(part) }
        }
        for number in stride(from: from, through: to, by: step) { insert(number) }
    }
}
