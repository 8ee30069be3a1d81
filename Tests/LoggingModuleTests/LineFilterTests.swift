import OrchModel
import Testing

@testable import LogBroker
@testable import LoggingModule

struct LineFilterTests {
    /// A record as shippers send it.
    private struct Sent {
        var instance: String
        var seq: Int64
        var headers: [(String, String)]
        var value: [UInt8]
    }

    private func record(
        _ seq: Int64, _ text: String, partial: Bool = false, instance: String = "a", level: LogLevel = .info
    ) -> Sent {
        let headers = [
            ("instance", instance), ("stream", "stdout"), ("seq", String(seq)), ("level", level.rawValue),
            ("at", String(seq * 1_000_000_000)),
        ]
        return Sent(
            instance: instance, seq: seq, headers: headers + (partial ? [("partial", "1")] : []),
            value: Array(text.utf8))
    }

    /// Each record is a batch of its own.
    private func shown(_ query: LogQuery, _ records: [Sent]) throws -> [LogLine] {
        var filter = try LineFilter(query)
        var lines: [LogLine] = []
        for record in records {
            let batch = RecordSet.batch(key: record.instance, record.value, headers: record.headers)
            if filter.leavesOutAll(of: batch) { continue }
            batch.visit {
                filter.take(ReadRecord($0, in: TopicPlace(topic: "t", partition: 0))) { lines.append($0) }
                return true
            }
        }
        return lines
    }

    private func lines(_ query: LogQuery, _ records: [Sent]) throws -> [String] {
        try shown(query, records).map(\.line)
    }

    private let all = LogQuery(topics: [TopicName(unchecked: "t")])

    @Test func `what was sent twice is shown once`() throws {
        let records = [record(1, "a"), record(2, "b"), record(1, "a"), record(2, "b"), record(3, "c")]
        #expect(try lines(all, records) == ["a", "b", "c"])
    }

    @Test func `what was sent twice is shown once among what a search leaves out`() throws {
        var query = all
        query.pattern = "x"
        let records = [record(1, "x1"), record(2, "b"), record(1, "x1"), record(2, "b"), record(3, "x3")]
        #expect(try lines(query, records) == ["x1", "x3"])
    }

    @Test func `the parts of a long line are put together, each stream by itself`() throws {
        let part = String(repeating: "p", count: 16_384)
        let records = [
            record(1, part, partial: true), record(1, part, partial: true, instance: "b"), record(2, "cd"),
            record(2, "y", instance: "b"),
        ]
        #expect(try lines(all, records) == [part + "cd", part + "y"])
        var query = all
        query.pattern = "pcd$"
        #expect(try lines(query, records) == [part + "cd"])
    }

    @Test func `a line longer than 1 MiB comes in pieces`() throws {
        let part = String(repeating: "p", count: 16_384)
        let records = (1...70).map { record($0, part, partial: $0 < 70) }
        let found = try lines(all, records)
        #expect(found.count == 2)
        #expect(found[0].utf8.count == 1 << 20)
        #expect(found.map(\.utf8.count).reduce(0, +) == 70 * 16_384)
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
        #expect(try lines(errors, [record(1, "fine"), record(2, "bad", level: .error)]) == ["bad"])
    }

    @Test func `bytes that are no text are kept`() throws {
        var broken = record(1, "")
        broken.value = [0x61, 0xff, 0x00, 0x62]
        let line = try #require(try shown(all, [broken]).first)
        #expect(line.base64 == "Yf8AYg==")
        #expect(line.line == "a\u{fffd}\u{0}b")
    }

    @Test func `lines around a match are shown with it, once each`() throws {
        var query = all
        query.pattern = "hit"
        query.context = 2
        let records = (1...12).map { record($0, [5, 7].contains($0) ? "hit" : "line \($0)") }
        let found = try shown(query, records)
        #expect(found.map(\.seq) == [3, 4, 5, 6, 7, 8, 9])
        #expect(found.map { $0.context == true } == [true, true, false, true, false, true, true])
    }

    @Test func `a stack trace is shown with its error`() throws {
        var query = all
        query.level = .error
        let records = [
            record(1, "all is well"), record(2, "ERROR it broke", level: .error),
            record(3, "\tat shop.Cart.add(Cart.java:7)", level: .unknown),
            record(4, "Caused by: java.io.IOException: no", level: .unknown), record(5, "on we go"),
        ]
        let found = try shown(query, records)
        #expect(found.map(\.seq) == [2, 3, 4])
        #expect(found.map(\.continues) == [nil, 2, 2])
        #expect(found.allSatisfy { $0.level == "error" })
        var search = all
        search.pattern = "it broke"
        #expect(try shown(search, records).map(\.seq) == [2, 3, 4])
    }

    @Test(arguments: [
        (#"{"user":{"id":42},"ok":true}"#, "user.id", "42", true), (#"{"user.id":"42"}"#, "user.id", "42", true),
        (#"{"user":{"id":43}}"#, "user.id", "42", false), (#"{"ok":true}"#, "ok", "true", true),
        (#"{"rate":1.5}"#, "rate", "1.50", true), ("level=info service=shop id=7", "service", "shop", true),
        (#"msg="two words" x=1"#, "msg", "two words", true), ("myservice=shop", "service", "shop", false),
        ("plain text", "service", "shop", false), (#"{"broken": "#, "broken", "", false),
    ])
    func `fields of JSON and logfmt are compared`(line: String, key: String, value: String, matches: Bool) throws {
        var query = all
        query.fields = [LogQuery.Field(key: key, value: value)]
        #expect(try lines(query, [record(1, line)]).isEmpty != matches)
    }

    @Test func `a pattern that is none is refused, with the place`() {
        var query = all
        query.pattern = "ab(unclosed"
        let error = #expect(throws: OrchError.self) { try LineFilter(query) }
        #expect(error?.message.contains("at character 12") == true, "\(error?.message ?? "")")
    }

    @Test(.timeLimit(.minutes(5))) func `a pattern that would try for ever gives up`() throws {
        var query = all
        query.pattern = "^(a+)+$"
        #expect(try lines(query, [record(1, String(repeating: "a", count: 5000) + "b"), record(2, "aaa")]) == ["aaa"])
    }

    @Test func `a position is read as it is written`() throws {
        let position = LogPosition([
            TopicPlace(topic: "a.b-c", partition: 2): 7, TopicPlace(topic: "Events", partition: 0): 0,
        ])
        #expect(position.description == "Events/0@0,a.b-c/2@7")
        #expect(LogPosition(position.description) == position)
        #expect(LogPosition("a@1") == nil)
    }

    @Test func `a search by level and text finds the frames of a trace whose head it leaves out`() throws {
        var query = all
        query.level = .error
        query.pattern = "foo"
        let records = [
            record(1, "fine"), record(2, "ERROR request failed", level: .error),
            record(3, "\tat com.foo.Bar", level: .unknown),
        ]
        let found = try shown(query, records)
        #expect(found.map(\.line) == ["\tat com.foo.Bar"])
        #expect(found.first?.continues == 2)
    }

    @Test func `records with absurd numbers are shown and break nothing`() throws {
        var strange = record(1, "strange")
        strange.headers = [("instance", "a"), ("seq", "9223372036854775807"), ("at", "9223372036854775807")]
        var other = strange
        other.headers[1].1 = "-1"
        let found = try shown(all, [strange, strange, other, record(1, "own"), record(2, "own")])
        #expect(found.map(\.seq) == [0, 0, 0, 1, 2])
        #expect(found.first?.at.description.hasPrefix("2262-04-11T23:47:16") == true)
        #expect(Timestamp(nanoseconds: .min).description.hasPrefix("1677-09-21T00:12:43"))
    }
}

struct SeenEntriesTests {
    @Test func `an entry is new once, in whatever order they come`() {
        var seen = SeenEntries()
        let order: [Int64] = [5, 6, 7, 1, 2, 6, 4, 3, 9, 8, 1, 9, 10]
        let news = order.map { seen.insert($0, of: "a") }
        #expect(news == [true, true, true, true, true, false, true, true, true, true, false, false, true])
        #expect((1...10).allSatisfy { entry in !seen.insertCopy(entry) })
    }

    @Test func `what many gaps leave behind is bounded, and the newest stay exact`() {
        var seen = SeenEntries()
        for entry in stride(from: 2, through: 2000, by: 2) as StrideThrough<Int64> {
            let isNew = seen.insert(entry, of: "a")
            #expect(isNew)
        }
        #expect(!seen.insertCopy(3))
        #expect(seen.insertCopy(1999))
        #expect(!seen.insertCopy(2000))
    }
}

extension SeenEntries {
    /// What would be said of an entry.
    fileprivate func insertCopy(_ entry: Int64) -> Bool {
        var copy = self
        return copy.insert(entry, of: "a")
    }
}

struct TraceGrouperTests {
    private func continued(_ lines: [String]) -> [Bool] {
        var grouper = TraceGrouper()
        return lines.map { line in Array(line.utf8).withUnsafeBytes { grouper.continues($0) } }
    }

    @Test func `Java, with a cause`() {
        let lines = [
            "java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "\t... 12 more", "Caused by: x.Y: z",
            "\tat d.E.f(E.java:2)", "next",
        ]
        #expect(continued(lines) == [false, true, true, true, true, false])
    }

    @Test func `Python, with an exception that led to another`() {
        let lines = [
            "ERROR:root:failed", "Traceback (most recent call last):", "  File \"a.py\", line 1, in f", "    g()",
            "ValueError: x", "", "During handling of the above exception, another exception occurred:", "next",
        ]
        #expect(continued(lines).prefix(5) == [false, true, true, true, true])
        #expect(continued(lines).last == false)
    }

    @Test func `Go, with several goroutines`() {
        let lines = [
            "panic: runtime error: index out of range", "", "goroutine 1 [running]:", "main.main()",
            "\t/app/main.go:7 +0x1d", "", "goroutine 5 [select]:", "net.x()", "", "exit status 2", "next",
        ]
        #expect(continued(lines) == [false] + Array(repeating: true, count: 9) + [false])
    }

    @Test func `the first line of all goes on from nothing`() {
        #expect(continued(["\tindented", "x"]) == [false, false])
    }
}
