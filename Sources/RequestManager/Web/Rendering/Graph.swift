import OrchModel

/// Draws a series as SVG.
enum Graph {
    private static let (width, height) = (100.0, 24.0)

    /// What a template needs to draw a curve: its points, and what they tell in words.
    ///
    /// - Parameters:
    ///   - what: what is measured.
    ///   - top: the value at the upper edge at least.
    /// - Returns: `nil` for a series that is too short.
    static func fields(_ series: Series?, _ what: String, top: Double = 0, _ word: (Double) -> String) -> Fields? {
        guard let series, case let values = series.values, values.count > 1, let last = values.last else { return nil }
        let peak = values.max() ?? 0
        let scale = max(peak, top, .leastNonzeroMagnitude)
        // The right edge is now, the left one the beginning of all that a series can hold.
        let step = width / Double(series.capacity - 1)
        let left = width - Double(values.count - 1) * step
        let points = values.enumerated().map { index, value in
            "\(short(left + Double(index) * step)),\(short(height - value / scale * (height - 2) - 1))"
        }
        return [
            "points": points.joined(separator: " "),
            "area": "\(short(left)),\(Int(height)) \(points.joined(separator: " ")) \(Int(width)),\(Int(height))",
            "words": "\(what), last hour: now \(word(last)), at most \(word(peak))", "now": word(last),
            "peak": word(peak),
        ]
    }

    private static func short(_ value: Double) -> String { String(Double(Int(value * 10)) / 10) }
}
