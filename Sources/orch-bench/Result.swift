/// One measured figure beside its bar.
struct BenchResult {
    enum Bar {
        case atMost(Double)
        case atLeast(Double)

        func holds(_ value: Double) -> Bool {
            switch self {
            case .atMost(let limit): value <= limit
            case .atLeast(let limit): value >= limit
            }
        }

        var text: String {
            switch self {
            case .atMost(let limit): "at most \(rounded(limit))"
            case .atLeast(let limit): "at least \(rounded(limit))"
            }
        }
    }

    var name: String
    var value: Double
    var unit: String
    /// The peer's figure in the same unit; the bar is then one of the ratio to it.
    var peer: (name: String, value: Double)?
    /// `nil` for a figure that is only told.
    var bar: Bar?

    private var measured: Double { peer.map { value / $0.value } ?? value }

    var holds: Bool { bar?.holds(measured) ?? true }

    var line: String {
        let mark = bar == nil ? "      " : holds ? "ok    " : "MISSED"
        let bar = bar.map { " (\($0.text))" } ?? ""
        guard let peer else { return "\(mark)  \(name): \(rounded(value)) \(unit)\(bar)" }
        return
            "\(mark)  \(name): \(rounded(value)) \(unit), \(peer.name) \(rounded(peer.value)) \(unit), ratio \(rounded(measured))\(bar)"
    }
}

/// Three digits that count.
func rounded(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "\(value)" }
    let places = value.magnitude >= 100 ? 1.0 : value.magnitude >= 10 ? 10.0 : value.magnitude >= 1 ? 100.0 : 10_000.0
    let text = String((value * places).rounded() / places)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    return sorted.count % 2 == 1
        ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}
