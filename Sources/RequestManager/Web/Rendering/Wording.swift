import OrchModel

/// Figures and times as people read them.
enum Wording {
    static func rate(_ value: Double) -> String {
        value == 0 ? "0" : value < 10 ? decimals(value, 1) : "\(Int(value.rounded()))"
    }

    static func percent(_ part: Double) -> String {
        let percent = part * 100
        return percent == 0 ? "0 %" : percent < 10 ? "\(decimals(percent, 1)) %" : "\(Int(percent.rounded())) %"
    }

    static func milliseconds(_ seconds: Double) -> String {
        let milliseconds = seconds * 1000
        return milliseconds < 10 ? "\(decimals(milliseconds, 1)) ms" : "\(Int(milliseconds.rounded())) ms"
    }

    static func cores(_ value: Double) -> String { "\(decimals(value, 2)) cores" }
    static func bytes(_ value: Double) -> String { ByteSize(bytes: Int64(value)).description }

    private static func decimals(_ value: Double, _ count: Int) -> String {
        let factor = count == 1 ? 10.0 : 100.0
        let scaled = Int((value * factor).rounded())
        let rest = String(scaled % Int(factor))
        return "\(scaled / Int(factor)).\(String(repeating: "0", count: count - rest.count))\(rest)"
    }

    /// A time as a machine reads it, and in full for people; pages turn it into the time that has passed.
    static func time(_ time: Timestamp) -> Fields {
        let text = time.rfc3339(decimals: 3)
        return ["machine": text, "people": "\(text.prefix(10)) \(text.dropFirst(11).prefix(8)) UTC"]
    }

}
