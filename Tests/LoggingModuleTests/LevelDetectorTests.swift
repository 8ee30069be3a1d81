import Testing

@testable import LoggingModule

struct LevelDetectorTests {
    @Test(arguments: [
        (#"{"level":"error","msg":"x"}"#, LogLevel.error), (#"{"severity": "WARNING"}"#, .warning),
        ("level=info msg=started", .info),
        ("<3>disk failed", .error), ("<14>hello", .info), ("2026-01-01 10:00:00,123 ERROR module: text", .error),
        ("WARNING:root:careful", .warning), ("[error] 123#0: upstream", .error),
        ("2026/01/01 10:00:00 [warn] 7#7: x", .warning),
        ("1234:M 01 Jan 2026 10:00:00.000 # Warning: no config", .warning), ("FATAL:  role does not exist", .critical),
        ("no error was found in all this", .unknown), ("GET /error 200", .unknown), ("informational text", .unknown),
        ("", .unknown),
        ("INFO  started", .info), ("panic: runtime error", .critical),
        (#"{"level":30,"time":1,"msg":"pino"}"#, .info), (#"{"level":50}"#, .error), (#"{"level": 3}"#, .error),
        (#"{"message":"level is error","severity":"DEBUG"}"#, .debug), (#"{"log.level":"warn"}"#, .warning),
        (#"{"time":"x","msg":"\#(String(repeating: "y", count: 2000))","level":"error"}"#, .error),
        (#"{"msg":"no error here"}"#, .unknown),
        ("time=2026-01-01T00:00:00Z level=WARN msg=slow", .warning), ("ts=1 lvl=eror msg=x", .error),
        ("2026-01-01 10:00:00.000 UTC [12] LOG:  checkpoint", .info),
        ("2026-01-01 10:00:00.000 UTC [12] ERROR:  syntax error", .error),
        ("2026-01-01 10:00:00.000 UTC [12] DEBUG1:  x", .debug),
        ("E0102 15:04:05.000000   1 main.go:7] broke", .error), ("I0102 15:04:05.000000   1 main.go:7] ok", .info),
        ("7:M 01 Jan 2026 10:00:00.000 * Ready to accept connections", .notice),
        ("7:M 01 Jan 2026 10:00:00.000 # low memory", .warning),
        ("[2026-01-01 10:00:00,000: WARNING/MainProcess] x", .unknown), ("10:00:00.000 [main] WARN  a.B - x", .warning),
        ("[INFO] 2026/01/01 x", .info), ("<165>1 2026-01-01T00:00:00Z host app - - x", .notice),
    ])
    func `levels are found where libraries write them and nowhere else`(line: String, level: LogLevel) {
        #expect(Array(line.utf8).withUnsafeBytes { LevelDetector.level(of: $0) } == level)
    }
}
