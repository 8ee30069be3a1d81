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

struct LineFilterTests {
    private func record(_ seq: Int64, _ text: String, partial: Bool = false, instance: String = "a") -> (
        [UInt8], LogRecord
    ) {
        var record = LogRecord(
            at: Timestamp(seconds: seq), instance: instance, stream: "stdout", level: .info, seq: seq,
            isPartial: partial)
        if text.contains("ERROR") { record.level = .error }
        return (Array(text.utf8), record)
    }

    private func lines(_ query: LogQuery, _ records: [([UInt8], LogRecord)]) throws -> [String] {
        var filter = try LineFilter(query)
        return records.compactMap { filter.line($0.0, $0.1, topic: "t")?.line }
    }

    private let all = LogQuery(topics: [TopicName(unchecked: "t")])

    @Test func `what was sent twice is shown once`() throws {
        #expect(
            try lines(all, [record(1, "a"), record(2, "b"), record(1, "a"), record(2, "b"), record(3, "c")]) == [
                "a", "b", "c",
            ])
    }

    @Test func `the parts of a long line are put together, each stream by itself`() throws {
        let records = [
            record(1, "ab", partial: true), record(1, "x", partial: true, instance: "b"), record(2, "cd"),
            record(2, "y", instance: "b"),
        ]
        #expect(try lines(all, records) == ["abcd", "xy"])
    }

    @Test func `instance, time, level and pattern select`() throws {
        var query = all
        query.instances = ["a"]
        query.since = Timestamp(seconds: 2)
        query.until = Timestamp(seconds: 4)
        query.pattern = "x+y"
        let records = [
            record(1, "xy"), record(2, "xxy"), record(3, "zz"), record(4, "axyb"), record(5, "xy"),
            record(3, "xy", instance: "b"),
        ]
        #expect(try lines(query, records) == ["xxy", "axyb"])
        var errors = all
        errors.level = .warning
        #expect(try lines(errors, [record(1, "fine"), record(2, "ERROR x")]) == ["ERROR x"])
    }

    @Test func `a pattern that is none is refused`() {
        var query = all
        query.pattern = "(unclosed"
        #expect(throws: OrchError.self) { try LineFilter(query) }
    }
}
