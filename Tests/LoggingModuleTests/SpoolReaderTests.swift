import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import LoggingModule

struct SpoolReaderTests {
    private let temporary = TemporaryFolder()
    private var folder: String { temporary.path }

    /// Appends to a segment, as its writer does.
    private func write(_ segment: Int64, _ lines: [String], end: String = "\n") throws {
        let text = lines.map { "2026-01-01T00:00:00.000000000Z stdout F \($0)" }.joined(separator: "\n") + end
        try Descriptor(opening: "\(folder)/\(SpoolFormat.fileName(segment))", .append).write(Array(text.utf8))
    }

    @Test func `entries are read in order over segments, with their numbers`() throws {
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
        try write(1, ["a", "b"], end: "")
        var reader = SpoolReader(folder: folder, position: .beginning)
        #expect(try reader.next()?.lines.count == 1)
        #expect(try reader.next() == nil)
        try Descriptor(opening: "\(folder)/\(SpoolFormat.fileName(1))", .append).write([UInt8(ascii: "\n")])
        #expect(try reader.next()?.lines.count == 1)
    }

    @Test func `missing entries are counted`() throws {
        try write(1, ["a", "b"])
        try write(10, ["j"])
        var reader = SpoolReader(folder: folder, position: .beginning)
        _ = try reader.next()
        let chunk = try #require(try reader.next())
        #expect(chunk.lost == 7)
        #expect(chunk.firstEntry == 10)
    }

    @Test func `a dropped segment is counted when reading goes on behind it`() throws {
        try write(101, ["x"])
        var reader = SpoolReader(folder: folder, position: SpoolReader.Position(segment: 1, offset: 40, entry: 2))
        let chunk = try #require(try reader.next())
        #expect(chunk.lost == 99)
    }

    @Test func `reading goes on at a checkpoint`() throws {
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
        try write(1, ["a", "b"])
        try write(3, ["c"])
        #expect(SpoolTail.lines(in: folder, count: 2) == ["b", "c"])
        #expect(SpoolTail.lines(in: folder, count: 9) == ["a", "b", "c"])
    }

    /// Damaged segments, read in stretches with a reader that begins anew at its checkpoint now and then.
    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func `damaged segments are read to their end, each whole line once and in order`(seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        let spool = try damagedSpool(&numbers)
        var reader = SpoolReader(folder: folder, position: .beginning)
        var found: [[UInt8]] = []
        var lost: Int64 = 0
        var nextEntry: Int64 = 1
        while let chunk = try reader.next() {
            #expect(chunk.firstEntry >= nextEntry)
            #expect(chunk.firstEntry + Int64(chunk.lines.count) == chunk.end.entry)
            nextEntry = chunk.end.entry
            lost += chunk.lost
            chunk.bytes.withUnsafeBytes { bytes in
                for line in chunk.lines {
                    found.append(Array(bytes[line]))
                    let entry = SpoolEntry(bytes, line: line, fallback: Timestamp(nanoseconds: 7))
                    #expect(entry.text.lowerBound >= line.lowerBound && entry.text.upperBound == line.upperBound)
                }
            }
            if Int.random(in: 0..<4, using: &numbers) == 0 {
                reader.close()
                reader = SpoolReader(folder: folder, position: chunk.end)
            }
        }
        reader.close()
        #expect(found == spool.lines)
        #expect(lost == spool.lost)
    }

    /// - Returns: what a reader has to find: the whole lines of all segments, and how many entries their names leave out.
    private func damagedSpool(_ numbers: inout SeededNumbers) throws -> (lines: [[UInt8]], lost: Int64) {
        var lines: [[UInt8]] = []
        var lost: Int64 = 0
        var pending: Int64 = 0
        var entry: Int64 = 1
        let noise = (0..<100_000).map { _ in UInt8.random(in: 11...255, using: &numbers) }
        for _ in 0..<Int.random(in: 1...4, using: &numbers) {
            let gap = Bool.random(using: &numbers) ? Int64.random(in: 0...9, using: &numbers) : 0
            lost += pending + gap
            entry += gap
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...40, using: &numbers) {
                let size = Int.random(
                    in: 0...(Int.random(in: 0..<8, using: &numbers) == 0 ? 100_000 : 60), using: &numbers)
                bytes += Array("2026-01-01T00:00:00.000000000Z stderr P ".utf8)
                bytes += noise.prefix(size)
                bytes.append(UInt8(ascii: "\n"))
            }
            for _ in 0..<Int.random(in: 0...20, using: &numbers) {
                bytes[Int.random(in: 0..<bytes.count, using: &numbers)] = .random(in: 0...255, using: &numbers)
            }
            bytes.removeLast(Bool.random(using: &numbers) ? Int.random(in: 0..<bytes.count, using: &numbers) : 0)
            try Files.replace("\(folder)/\(SpoolFormat.fileName(entry))", with: bytes)
            let whole = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            lines += whole.map(Array.init)
            // The name of the next segment tells that a line without an end was an entry, too.
            pending = whole.isEmpty ? 1 : 0
            entry += Int64(whole.count) + pending
        }
        return (lines, lost)
    }
}
