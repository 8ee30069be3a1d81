package import OrchModel
import Synchronization

/// The offsets of a time zone from UTC over time, from the system's zone files (RFC 8536). Foundation would bring them
/// only with its 50 MB of ICU.
package struct TimeZoneRules: Sendable {
    private static let folder = "/usr/share/zoneinfo"

    /// Seconds since 1970 at which the offset changes, and the offset from then on.
    private var transitions: [(at: Int64, offset: Int64)] = []
    /// The offset before the first change.
    private var firstOffset: Int64 = 0

    package static let utc = TimeZoneRules()

    private init() {}

    /// - Parameter name: as in `Europe/Berlin`.
    /// - Throws: `invalidRequest` for an unknown one.
    package init(named name: String) throws(OrchError) {
        if name == "UTC" || name.isEmpty { return }
        if let known = Self.known.withLock({ $0[name] }) {
            self = known
            return
        }
        let isSafe = !name.hasPrefix("/") && !name.split(separator: "/").contains("..")
        guard isSafe, let bytes = try? Files.read("\(Self.folder)/\(name)"), read(bytes) else {
            throw OrchError(
                .invalidRequest,
                "there is no time zone \(name.quotedOneLine): use a name such as Europe/Berlin (package tzdata)")
        }
        Self.known.withLock { [self] in $0[name] = self }
    }

    /// Those that were read, which are as many as there are zones at most.
    private static let known = Mutex<[String: TimeZoneRules]>([:])

    /// Seconds east of UTC at a time, given in seconds since 1970.
    package func offset(at time: Int64) -> Int64 {
        let count = changes(upTo: time)
        return count == 0 ? firstOffset : transitions[count - 1].offset
    }

    /// How many changes of the offset come up to a time.
    private func changes(upTo time: Int64) -> Int {
        var (low, high) = (0, transitions.count)
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle].at <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The first change of the offset after a time; `nil` when none is known.
    package func nextChange(after time: Int64) -> Int64? {
        let count = changes(upTo: time)
        return count < transitions.count ? transitions[count].at : nil
    }

    /// The last change of the offset up to a time, and the local time at which the clock was changed then, as it was before;
    /// both in seconds.
    package func lastChange(upTo time: Int64) -> (at: Int64, local: Int64)? {
        let count = changes(upTo: time)
        guard count > 0 else { return nil }
        let before = count == 1 ? firstOffset : transitions[count - 2].offset
        return (transitions[count - 1].at, transitions[count - 1].at + before)
    }

    /// Reads the part with 64-bit times, which lies behind the one with 32-bit times.
    private mutating func read(_ bytes: [UInt8]) -> Bool {
        func number(_ position: Int, _ width: Int) -> Int64? {
            guard position >= 0, position + width <= bytes.count else { return nil }
            let value = bytes[position..<position + width].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return width == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
        }
        func counts(_ header: Int) -> [Int]? {
            guard header + 44 <= bytes.count, bytes[header..<header + 4].elementsEqual("TZif".utf8) else { return nil }
            return (0..<6).compactMap { number(header + 20 + 4 * $0, 4).map(Int.init) }
        }
        // isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt
        guard let old = counts(0), bytes[4] >= UInt8(ascii: "2") else { return false }
        let header = 44 + old[3] * 5 + old[4] * 6 + old[5] + old[2] * 8 + old[1] + old[0]
        guard let sizes = counts(header) else { return false }
        let (times, types) = (header + 44, header + 44 + sizes[3] * 9)
        let offsets = (0..<sizes[4]).compactMap { number(types + 6 * $0, 4) }
        guard offsets.count == sizes[4], let first = offsets.first else { return false }
        firstOffset = first
        for index in 0..<sizes[3] {
            guard let at = number(times + 8 * index, 8), let type = number(times + 8 * sizes[3] + index, 1),
                offsets.indices.contains(Int(type))
            else { return false }
            transitions.append((at, offsets[Int(type)]))
        }
        return true
    }
}
