/// How bad a line is, as far as it tells.
package enum LogLevel: String, CaseIterable, Sendable, Comparable {
    case trace, debug, info, notice, warning, error, critical
    /// The line does not say.
    case unknown

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

    private var rank: Int { self == .unknown ? Self.info.position : position }
    private var position: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The level that a word stands for in the usual logging libraries, in any case.
    package init?(word: some StringProtocol) {
        switch word.lowercased() {
        case "trace", "finest", "verbose": self = .trace
        case "debug", "dbg", "fine": self = .debug
        case "info", "information", "informational": self = .info
        case "notice": self = .notice
        case "warn", "warning", "wrn": self = .warning
        case "error", "err", "severe": self = .error
        case "critical", "crit", "fatal", "panic", "emerg", "emergency", "alert": self = .critical
        default: return nil
        }
    }
}

/// Finds the level that a line carries: JSON and logfmt fields, syslog priorities, and words such as `[ERROR]` near the
/// front, as most libraries write them.
package enum LevelDetector {
    /// Only so much of a line is looked at, in bytes.
    private static let horizon = 256

    package static func level(of line: UnsafeRawBufferPointer) -> LogLevel {
        let head = UnsafeRawBufferPointer(rebasing: line.prefix(horizon))
        if let level = syslogPriority(head) { return level }
        var index = 0
        var words = 0
        while index < head.count, words < 24 {
            guard isLetter(head[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < head.count, isLetter(head[index]) { index += 1 }
            words += 1
            let length = index - start
            guard (3...13).contains(length) else { continue }
            let word = String(decoding: head[start..<index], as: UTF8.self)
            if isKey(word), let level = value(after: index, in: head) { return level }
            // In running text only a whole upper-case word, or one in brackets or before a colon, names a level.
            guard stands(alone: start..<index, in: head) else { continue }
            if let level = LogLevel(word: word) { return level }
        }
        return .unknown
    }

    private static func isKey(_ word: String) -> Bool {
        ["level", "severity", "lvl", "levelname", "loglevel"].contains(word.lowercased())
    }

    /// The level in `"level": "error"` or `level=error`, behind the key.
    private static func value(after index: Int, in head: UnsafeRawBufferPointer) -> LogLevel? {
        var index = index
        while index < head.count,
            [UInt8(ascii: "\""), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: " ")].contains(head[index])
        {
            index += 1
        }
        let start = index
        while index < head.count, isLetter(head[index]) { index += 1 }
        return LogLevel(word: String(decoding: head[start..<index], as: UTF8.self))
    }

    private static func stands(alone word: Range<Int>, in head: UnsafeRawBufferPointer) -> Bool {
        let before = word.lowerBound > 0 ? head[word.lowerBound - 1] : UInt8(ascii: " ")
        let after = word.upperBound < head.count ? head[word.upperBound] : UInt8(ascii: " ")
        if before == UInt8(ascii: "["), after == UInt8(ascii: "]") { return true }
        if before == UInt8(ascii: "<"), after == UInt8(ascii: ">") { return true }
        guard
            before == UInt8(ascii: " ") || before == UInt8(ascii: "\t") || before == UInt8(ascii: "|")
                || word.lowerBound == 0
        else { return false }
        if after == UInt8(ascii: ":") { return true }
        guard
            after == UInt8(ascii: " ") || after == UInt8(ascii: "\t") || after == UInt8(ascii: "|")
                || after == UInt8(ascii: "]")
        else { return false }
        return head[word].allSatisfy { $0 & 0x20 == 0 }
    }

    /// `<N>` at the front, whose lowest three bits are the severity (RFC 5424, 6.2.1).
    private static func syslogPriority(_ head: UnsafeRawBufferPointer) -> LogLevel? {
        guard head.first == UInt8(ascii: "<"), let end = head.prefix(5).firstIndex(of: UInt8(ascii: ">")), end > 1,
            let priority = Int(String(decoding: head[1..<end], as: UTF8.self)), priority < 192
        else { return nil }
        return switch priority % 8 {
        case 0...2: .critical
        case 3: .error
        case 4: .warning
        case 5: .notice
        case 6: .info
        default: .debug
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
    }
}
