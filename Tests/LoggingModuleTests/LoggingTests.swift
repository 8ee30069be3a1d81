import Glibc
import OrchModel
import OrchSystem
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

struct SpoolReaderTests {
    private let folder: String

    init() {
        var template = Array("/tmp/orch-unit-XXXXXX".utf8CString)
        folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    /// Appends to a segment, as its writer does.
    private func write(_ segment: Int64, _ lines: [String], end: String = "\n") throws {
        let text = lines.map { "2026-01-01T00:00:00.000000000Z stdout F \($0)" }.joined(separator: "\n") + end
        try Descriptor(opening: "\(folder)/\(SpoolFormat.fileName(segment))", .append).write(Array(text.utf8))
    }

    @Test func `entries are read in order over segments, with their numbers`() throws {
        defer { Files.removeTree(folder) }
        try write(1, ["a", "b"])
        try write(3, ["c"])
        var reader = SpoolReader(folder: folder, position: .beginning)
        let first = try #require(try reader.next())
        #expect(first.firstEntry == 1)
        #expect(first.lines.count == 2)
        let second = try #require(try reader.next())
        #expect(second.firstEntry == 3)
        #expect(second.lost == 0)
        #expect(try reader.next() == nil)
        try write(3, ["d"])
        #expect(try reader.next()?.firstEntry == 4)
    }

    @Test func `a line without an end waits for it`() throws {
        defer { Files.removeTree(folder) }
        try write(1, ["a", "b"], end: "")
        var reader = SpoolReader(folder: folder, position: .beginning)
        #expect(try reader.next()?.lines.count == 1)
        #expect(try reader.next() == nil)
        try Descriptor(opening: "\(folder)/\(SpoolFormat.fileName(1))", .append).write([UInt8(ascii: "\n")])
        #expect(try reader.next()?.lines.count == 1)
    }

    @Test func `missing entries are counted`() throws {
        defer { Files.removeTree(folder) }
        try write(1, ["a", "b"])
        try write(10, ["j"])
        var reader = SpoolReader(folder: folder, position: .beginning)
        _ = try reader.next()
        let chunk = try #require(try reader.next())
        #expect(chunk.lost == 7)
        #expect(chunk.firstEntry == 10)
    }

    @Test func `a dropped segment is counted when reading goes on behind it`() throws {
        defer { Files.removeTree(folder) }
        try write(101, ["x"])
        var reader = SpoolReader(folder: folder, position: SpoolReader.Position(segment: 1, offset: 40, entry: 2))
        let chunk = try #require(try reader.next())
        #expect(chunk.lost == 99)
    }

    @Test func `reading goes on at a checkpoint`() throws {
        defer { Files.removeTree(folder) }
        try write(1, ["a", "b", "c"])
        var reader = SpoolReader(folder: folder, position: .beginning)
        let end = try #require(try reader.next()).end
        try write(1, ["d"])
        var again = SpoolReader(folder: folder, position: end)
        let chunk = try #require(try again.next())
        #expect(chunk.firstEntry == 4)
        #expect(chunk.lines.count == 1)
    }

    @Test func `the last lines of an instance are found over segments`() throws {
        defer { Files.removeTree(folder) }
        try write(1, ["a", "b"])
        try write(3, ["c"])
        #expect(SpoolTail.lines(in: folder, count: 2) == ["b", "c"])
        #expect(SpoolTail.lines(in: folder, count: 9) == ["a", "b", "c"])
    }
}
