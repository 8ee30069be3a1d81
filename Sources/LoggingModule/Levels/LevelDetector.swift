import COrchSystem

/// Finds the level that a line carries: fields of JSON and logfmt, syslog priorities, the heads that log4j, Python, Go,
/// nginx, redis, PostgreSQL and glog write, and words such as `[ERROR]` near the front.
package enum LevelDetector {
    /// Only so much of a line is looked at, in bytes; of a JSON object more, as its level may be the last field.
    private static let horizon = 256
    private static let jsonHorizon = 16_384
    private static let mostWords = 24

    package static func level(of line: UnsafeRawBufferPointer) -> LogLevel {
        guard let first = line.first(where: { $0 != UInt8(ascii: " ") }) else { return .unknown }
        if first == UInt8(ascii: "{") {
            return jsonLevel(UnsafeRawBufferPointer(rebasing: line.prefix(jsonHorizon))) ?? .unknown
        }
        let head = UnsafeRawBufferPointer(rebasing: line.prefix(horizon))
        return syslogPriority(head) ?? glogLevel(head) ?? redisLevel(head) ?? wordLevel(head) ?? .unknown
    }

    // MARK: Words

    private static func wordLevel(_ head: UnsafeRawBufferPointer) -> LogLevel? {
        var index = 0
        var words = 0
        while index < head.count, words < mostWords {
            guard isLetter(head[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < head.count, isLetter(head[index]) { index += 1 }
            words += 1
            guard (3...13).contains(index - start) else { continue }
            let after = index < head.count ? head[index] : UInt8(ascii: " ")
            if after == UInt8(ascii: "=") || after == UInt8(ascii: ":"),
                keys.contains(PackedWord(head[start..<index])), let level = value(from: index, in: head)
            {
                return level
            }
            // In running text only a whole upper-case word, or one in brackets or before a colon, names a level.
            if stands(alone: start..<index, in: head), let level = LogLevel.words[PackedWord(head[start..<index])] {
                return level
            }
        }
        return nil
    }

    private static let keys: Set<PackedWord> = ["level", "severity", "lvl", "levelname", "loglevel"]

    private static func stands(alone word: Range<Int>, in head: UnsafeRawBufferPointer) -> Bool {
        let before = word.lowerBound > 0 ? head[word.lowerBound - 1] : UInt8(ascii: " ")
        var after = word.upperBound < head.count ? head[word.upperBound] : UInt8(ascii: " ")
        if before == UInt8(ascii: "["), after == UInt8(ascii: "]") { return true }
        if before == UInt8(ascii: "<"), after == UInt8(ascii: ">") { return true }
        guard isSpace(before) || before == UInt8(ascii: "|") || before == UInt8(ascii: "[") || word.lowerBound == 0
        else { return false }
        // PostgreSQL numbers its levels of debugging: DEBUG1.
        if after >= UInt8(ascii: "1"), after <= UInt8(ascii: "5"), word.upperBound + 1 < head.count {
            after = head[word.upperBound + 1]
        }
        if after == UInt8(ascii: ":") { return true }
        guard isSpace(after) || after == UInt8(ascii: "|") || after == UInt8(ascii: "]") else { return false }
        return head[word].allSatisfy { $0 & 0x20 == 0 }
    }

    /// The level behind a key and its separator: `="error"`, `: 50`.
    private static func value(from index: Int, in head: UnsafeRawBufferPointer) -> LogLevel? {
        var index = index
        while index < head.count, isSpace(head[index]) || separators.contains(head[index]) { index += 1 }
        let start = index
        while index < head.count, isLetter(head[index]) { index += 1 }
        if index > start { return LogLevel.words[PackedWord(head[start..<index])] }
        while index < head.count, head[index] >= UInt8(ascii: "0"), head[index] <= UInt8(ascii: "9") { index += 1 }
        guard index > start, index - start < 4 else { return nil }
        return number(head[start..<index].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
    }

    private static let separators: [UInt8] = [UInt8(ascii: "\""), UInt8(ascii: ":"), UInt8(ascii: "=")]

    /// Severities of syslog up to 7 (RFC 5424; GELF writes them so), the levels of pino and bunyan from 10 on.
    private static func number(_ value: Int) -> LogLevel? {
        switch value {
        case 0...7: severity(value)
        case 10..<20: .trace
        case 20..<30: .debug
        case 30..<40: .info
        case 40..<50: .warning
        case 50..<60: .error
        case 60...: .critical
        default: nil
        }
    }

    private static func severity(_ value: Int) -> LogLevel {
        switch value {
        case 0...2: .critical
        case 3: .error
        case 4: .warning
        case 5: .notice
        case 6: .info
        default: .debug
        }
    }

    // MARK: Forms of their own

    private static func jsonLevel(_ object: UnsafeRawBufferPointer) -> LogLevel? {
        guard let base = object.baseAddress else { return nil }
        for key in jsonKeys {
            let place = key.withUnsafeBytes { key in
                key.baseAddress.flatMap { orch_find(base, object.count, $0, key.count) }
            }
            guard let place else { continue }
            let behind = place - base + key.count
            if let level = value(from: behind, in: object) { return level }
        }
        return nil
    }

    private static let jsonKeys: [[UInt8]] = ["level", "severity", "log.level", "lvl", "levelname", "loglevel"].map {
        Array("\"\($0)\"".utf8)
    }

    /// `<N>` at the front, whose lowest three bits are the severity (RFC 5424, 6.2.1).
    private static func syslogPriority(_ head: UnsafeRawBufferPointer) -> LogLevel? {
        guard head.first == UInt8(ascii: "<"), let end = head.prefix(5).firstIndex(of: UInt8(ascii: ">")), end > 1,
            let priority = digits(head[1..<end]), priority < 192
        else { return nil }
        return severity(priority % 8)
    }

    /// `E0102 15:04:05.000000`: a letter, month and day.
    private static func glogLevel(_ head: UnsafeRawBufferPointer) -> LogLevel? {
        guard head.count > 6, digits(head[1..<5]) != nil, head[5] == UInt8(ascii: " "), digits(head[6..<7]) != nil
        else { return nil }
        switch head[0] {
        case UInt8(ascii: "I"): return .info
        case UInt8(ascii: "W"): return .warning
        case UInt8(ascii: "E"): return .error
        case UInt8(ascii: "F"): return .critical
        default: return nil
        }
    }

    /// `1234:M 01 Jan 2026 10:00:00.000 * text`: the mark behind the time.
    private static func redisLevel(_ head: UnsafeRawBufferPointer) -> LogLevel? {
        let number = head.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }.count
        guard number > 0, head.count > number + 30, head[number] == UInt8(ascii: ":"),
            [UInt8(ascii: "M"), UInt8(ascii: "S"), UInt8(ascii: "C"), UInt8(ascii: "X")].contains(head[number + 1]),
            head[number + 2] == UInt8(ascii: " ")
        else { return nil }
        // The time has 24 characters.
        let mark = number + 3 + 24 + 1
        guard mark + 1 < head.count, head[mark - 1] == UInt8(ascii: " "), head[mark + 1] == UInt8(ascii: " ") else {
            return nil
        }
        switch head[mark] {
        case UInt8(ascii: "."): return .debug
        case UInt8(ascii: "-"): return .info
        case UInt8(ascii: "*"): return .notice
        case UInt8(ascii: "#"): return .warning
        default: return nil
        }
    }

    private static func digits(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var value = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
    }
}

/// A word of at most 16 letters in lower case, as two numbers: it is looked up without making a string.
struct PackedWord: Hashable, ExpressibleByStringLiteral {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ letters: some Sequence<UInt8>) {
        for (index, letter) in letters.enumerated() {
            let bits = UInt64(letter | 0x20) << UInt64(index % 8 * 8)
            if index < 8 { low |= bits } else if index < 16 { high |= bits } else { return }
        }
    }

    init(stringLiteral word: String) { self.init(word.utf8) }
}
