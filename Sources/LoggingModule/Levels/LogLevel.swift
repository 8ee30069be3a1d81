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
        guard let level = Self.words[PackedWord(word.utf8)] else { return nil }
        self = level
    }

    /// The name as it is sent with every line.
    var headerValue: StaticString {
        switch self {
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        case .critical: "critical"
        case .unknown: "unknown"
        }
    }

    /// The levels by their own names, as they are sent.
    static let names = Dictionary(uniqueKeysWithValues: allCases.map { (PackedWord($0.rawValue.utf8), $0) })

    static let words: [PackedWord: LogLevel] = [
        "trace": .trace, "finest": .trace, "verbose": .trace, "trc": .trace,
        "debug": .debug, "dbg": .debug, "fine": .debug, "finer": .debug,
        "info": .info, "information": .info, "informational": .info, "inf": .info, "log": .info, "statement": .info,
        "notice": .notice,
        "warn": .warning, "warning": .warning, "wrn": .warning,
        "error": .error, "err": .error, "severe": .error, "eror": .error,
        "critical": .critical, "crit": .critical, "fatal": .critical, "ftl": .critical, "panic": .critical,
        "emerg": .critical, "emergency": .critical, "alert": .critical,
    ]
}
