/// One measured figure beside its bar.
struct BenchResult {
    var name: String
    var value: Double
    var unit: String
    /// The peer's figure in the same unit, and the largest ratio to it that is good enough.
    var peer: (name: String, value: Double, ratio: Double)?
    /// Or a bar of its own.
    var limit: Double?

    var holds: Bool {
        if let peer { return value <= peer.value * peer.ratio }
        return limit.map { value <= $0 } ?? true
    }

    var line: String {
        let mark = holds ? "ok    " : "MISSED"
        if let peer {
            return
                "\(mark)  \(name): \(rounded(value)) \(unit), \(peer.name) \(rounded(peer.value)) \(unit), ratio \(rounded(value / peer.value)) (at most \(rounded(peer.ratio)))"
        }
        return "\(mark)  \(name): \(rounded(value)) \(unit)\(limit.map { " (at most \(rounded($0)))" } ?? "")"
    }
}

/// Three digits that count.
func rounded(_ value: Double) -> String {
    guard value != 0 else { return "0" }
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
