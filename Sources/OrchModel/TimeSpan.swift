/// A length of time as people write it: `1m30s`, `250ms`, `2h`, `1.5s`, `1d`.
package struct TimeSpan: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let zero = TimeSpan(nanoseconds: 0)
    package static func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(nanoseconds: count * 1_000_000) }
    package static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(nanoseconds: count * 1_000_000_000) }

    package var duration: Duration { .nanoseconds(nanoseconds) }
    package var milliseconds: Int64 { nanoseconds / 1_000_000 }
    package var seconds: Double { Double(nanoseconds) / 1e9 }

    /// The units from large to small, in nanoseconds.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]

    /// `nil` unless `text` is one or more of number and unit, as in `1m30s`; a bare number counts only if it is 0.
    package init?(_ text: String) {
        if text == "0" {
            self = .zero
            return
        }
        var rest = Substring(text)
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber && $0.isASCII || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let word = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(word.count)
            guard let number = Double(digits), let unit = Self.units.first(where: { $0.name == word }) else {
                return nil
            }
            total += number * Double(unit.nanoseconds)
        }
        // 2^62 nanoseconds are 146 years; more would overflow sums.
        guard total < 4.6e18 else { return nil }
        nanoseconds = Int64(total.rounded())
    }

    package var description: String {
        guard nanoseconds != 0 else { return "0s" }
        var rest = nanoseconds.magnitude
        var text = nanoseconds < 0 ? "-" : ""
        for unit in Self.units where rest >= unit.nanoseconds.magnitude {
            text += "\(rest / unit.nanoseconds.magnitude)\(unit.name)"
            rest %= unit.nanoseconds.magnitude
        }
        return text
    }

    /// The two largest units, for tables: `3d4h`, `1m30s`, `250ms`.
    package var short: String {
        var rest = nanoseconds.magnitude
        guard rest >= 1_000_000 else { return "0s" }
        var parts: [String] = []
        for unit in Self.units where rest >= unit.nanoseconds.magnitude {
            if unit.nanoseconds < 1_000_000_000 && !parts.isEmpty { break }
            parts.append("\(rest / unit.nanoseconds.magnitude)\(unit.name)")
            rest %= unit.nanoseconds.magnitude
            if parts.count == 2 { break }
        }
        return parts.joined()
    }

    package static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.nanoseconds < right.nanoseconds }
    package static func + (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: left.nanoseconds + right.nanoseconds)
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let span = TimeSpan(text) else {
            throw OrchError(
                .invalidRequest, "\(text.quotedOneLine) is no duration: write for example 1m30s, 250ms or 2h")
        }
        self = span
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
