/// An amount of memory or disk as people write it: `64K`, `512M`, `1.5G`; powers of 1024, as in systemd and Docker.
package struct ByteSize: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    package let bytes: Int64

    package init(bytes: Int64) { self.bytes = bytes }

    private static let units: [(name: Character, bytes: Int64)] = [
        ("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10),
    ]

    /// `nil` unless `text` is a number with an optional `K`, `M`, `G` or `T`, in either case, with or without `B` or `iB` behind.
    package init?(_ text: String) {
        var rest = text.uppercased()[...]
        if rest.hasSuffix("IB") { rest = rest.dropLast(2) } else if rest.hasSuffix("B") { rest = rest.dropLast() }
        var factor: Int64 = 1
        if let last = rest.last, let unit = Self.units.first(where: { $0.name == last }) {
            factor = unit.bytes
            rest = rest.dropLast()
        }
        guard !rest.isEmpty, rest.allSatisfy({ $0.isASCII && $0.isNumber || $0 == "." }), let number = Double(rest),
            number * Double(factor) < 9e18
        else { return nil }
        bytes = Int64(number * Double(factor))
    }

    package var description: String {
        guard let unit = Self.units.first(where: { bytes >= $0.bytes }) else { return "\(bytes)" }
        if bytes % unit.bytes == 0 { return "\(bytes / unit.bytes)\(unit.name)" }
        let tenths = bytes * 10 / unit.bytes
        return "\(tenths / 10).\(tenths % 10)\(unit.name)"
    }

    package static func < (left: ByteSize, right: ByteSize) -> Bool { left.bytes < right.bytes }

    package init(from decoder: any Decoder) throws {
        bytes = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}
