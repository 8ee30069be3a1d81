import OrchSystem
import TestSupport
import Testing

@testable import LoggingModule
@testable import OrchModel

struct OutputSpoolTests {
    private let folder = TemporaryFolder()
    private let limits = LogSpec(spool: ByteSize(bytes: 1 << 20), whenFull: .dropOldest, rate: 0)

    private func texts() throws -> [String] {
        try SpoolFormat.segments(in: folder.path).flatMap { segment in
            try Files.readText("\(folder.path)/\(SpoolFormat.fileName(segment))").split(separator: "\n").map(
                String.init)
        }
    }

    /// Output of two streams, whose times go on in each alone, many of them alike.
    private func output(_ count: Int, _ numbers: inout SeededNumbers) -> [OutputEntry] {
        var times: [OutputEntry.Stream: Int64] = [.output: 1000, .error: 1000]
        return (0..<count).map { number in
            let stream: OutputEntry.Stream = Bool.random(using: &numbers) ? .output : .error
            times[stream]? += Int64.random(in: 0...2, using: &numbers)
            return OutputEntry(
                at: Timestamp(nanoseconds: times[stream] ?? 0), stream: stream,
                isPartial: Int.random(in: 0..<5, using: &numbers) == 0,
                text: Array(
                    "line \(number) \(String(repeating: "x", count: Int.random(in: 0...3000, using: &numbers)))".utf8))
        }
    }

    /// A keeper that dies between any two entries, whose engine then tells all again from the time that is asked for.
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `whenever it dies, each entry is there once and in order`(seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        let all = output(200, &numbers)
        var spool = try OutputSpool(folder: folder.path, source: "c", limits: limits)
        var lives = 0
        while lives < 20 {
            let since = spool.resume()
            let told = all.filter { since == nil || $0.at >= since! }
            let stop = lives == 19 ? told.count : Int.random(in: 0...told.count, using: &numbers)
            for entry in spool.new(of: Array(told.prefix(stop))) { try spool.append(entry) }
            lives += 1
            spool = try OutputSpool(folder: folder.path, source: "c", limits: limits)
        }
        let expected = all.map {
            "\($0.at) \($0.stream.name) \($0.isPartial ? "P" : "F") \(String(decoding: $0.text, as: UTF8.self))"
        }
        #expect(try texts() == expected)
    }

    @Test func `an entry that was being written in a crash is taken again`() throws {
        var spool = try OutputSpool(folder: folder.path, source: "c", limits: limits)
        let entry = OutputEntry(at: Timestamp(nanoseconds: 5), stream: .output, isPartial: false, text: Array("a".utf8))
        try spool.append(entry)
        let path = "\(folder.path)/\(SpoolFormat.fileName(1))"
        try Descriptor(opening: path, .append).write(Array("1970-01-01T00:00:00.0000".utf8))
        spool = try OutputSpool(folder: folder.path, source: "c", limits: limits)
        _ = spool.resume()
        var other = entry
        other.text = Array("b".utf8)
        for entry in spool.new(of: [entry, other]) { try spool.append(entry) }
        #expect(try texts().map { $0.suffix(1) } == ["a", "b"])
    }

    /// The clock may have been set back before another container was started.
    @Test func `what another container prints is never taken for known`() throws {
        var first = try OutputSpool(folder: folder.path, source: "one", limits: limits)
        try first.append(
            OutputEntry(at: Timestamp(nanoseconds: 9), stream: .output, isPartial: false, text: Array("a".utf8)))
        let earlier = OutputEntry(
            at: Timestamp(nanoseconds: 5), stream: .output, isPartial: false, text: Array("b".utf8))
        for _ in 0..<2 {
            var second = try OutputSpool(folder: folder.path, source: "two", limits: limits)
            _ = second.resume()
            for entry in second.new(of: [earlier]) { try second.append(entry) }
        }
        #expect(try texts().map { $0.suffix(1) } == ["a", "b"])
    }

    @Test func `what is full drops the oldest segments, or says so`() throws {
        let line = OutputEntry(
            at: Timestamp(nanoseconds: 5), stream: .output, isPartial: false,
            text: [UInt8](repeating: 65, count: 10_000))
        var dropping = try OutputSpool(folder: folder.path, source: "c", limits: limits)
        for _ in 0..<300 { try dropping.append(line) }
        #expect(SpoolFormat.segments(in: folder.path).count == 4)
        let isFull = dropping.isFull
        #expect(!isFull)
        let blocking = TemporaryFolder()
        var waiting = try OutputSpool(
            folder: blocking.path, source: "c",
            limits: LogSpec(spool: ByteSize(bytes: 1 << 20), whenFull: .block, rate: 0))
        for _ in 0..<100 { try waiting.append(line) }
        let wasFull = waiting.isFull
        #expect(!wasFull)
        for _ in 0..<10 { try waiting.append(line) }
        let isFullNow = waiting.isFull
        #expect(isFullNow)
    }
}
