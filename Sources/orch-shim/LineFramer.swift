import COrchSystem

/// Cuts one output stream into lines of the CRI log format: `RFC3339Nano stream F line`, with tag `P` where a line goes
/// on in the next entry (Kubernetes, "CRI: Log format").
struct LineFramer {
    /// Longer lines are written in parts; the container runtimes use the same bound.
    static let longestPart = 16_384

    private let stream: StaticString
    /// The beginning of a line whose end has not come.
    private let pending = UnsafeMutableRawPointer.allocate(byteCount: LineFramer.longestPart, alignment: 16)
    private var pendingCount = 0

    init(stream: StaticString) { self.stream = stream }

    /// Frames what was read at `time`, from `position` on, until all of it is taken or the output is full.
    /// - Returns: how many entries that were.
    mutating func frame(
        _ input: UnsafeRawBufferPointer, from position: inout Int, at time: Bytes, into output: FrameBuffer
    ) -> Int64 {
        output.setHead(time: time, stream: stream)
        var entries: Int64 = 0
        while position < input.count, output.hasRoom {
            let start = input.baseAddress! + position
            let left = input.count - position
            let room = Self.longestPart - pendingCount
            // A line of just the longest length is whole when its end comes next.
            let newline = orch_find_byte(start, 10, min(left, room + 1))
            if let newline {
                let length = newline - start
                output.add(pending, pendingCount, start, length, isWhole: true)
                pendingCount = 0
                position += length + 1
                entries += 1
            } else if left > room {
                output.add(pending, pendingCount, start, room, isWhole: false)
                pendingCount = 0
                position += room
                entries += 1
            } else {
                (pending + pendingCount).copyMemory(from: start, byteCount: left)
                pendingCount += left
                position += left
            }
        }
        return entries
    }

    /// Writes what is left of a last line without an end.
    mutating func finish(at time: Bytes, into output: FrameBuffer) -> Int64 {
        guard pendingCount > 0 else { return 0 }
        output.setHead(time: time, stream: stream)
        output.add(pending, pendingCount, pending, 0, isWhole: true)
        pendingCount = 0
        return 1
    }
}

/// Entries on their way to the spool, in memory of a fixed size.
final class FrameBuffer {
    private static let capacity = 131_072
    /// Of the time, the name of the stream and the tag.
    private static let headCapacity = 64

    private let memory = UnsafeMutableRawPointer.allocate(byteCount: FrameBuffer.capacity, alignment: 16)
    private let head = UnsafeMutableRawPointer.allocate(byteCount: FrameBuffer.headCapacity, alignment: 16)
    private var headCount = 0
    private(set) var count = 0

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    /// Whether the longest entry still fits.
    var hasRoom: Bool { count + LineFramer.longestPart + Self.headCapacity + 1 <= Self.capacity }

    func removeAll() { count = 0 }

    /// What the entries that follow begin with.
    func setHead(time: Bytes, stream: StaticString) {
        time.withUnsafeBytes { head.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        (head + time.count).copyMemory(from: stream.utf8Start, byteCount: stream.utf8CodeUnitCount)
        headCount = time.count + stream.utf8CodeUnitCount + 3
        (head + headCount - 3).storeBytes(of: 32, as: UInt8.self)
        (head + headCount - 1).storeBytes(of: 32, as: UInt8.self)
    }

    /// Adds an entry whose text lies in two pieces.
    func add(
        _ first: UnsafeRawPointer, _ firstCount: Int, _ second: UnsafeRawPointer, _ secondCount: Int, isWhole: Bool
    ) {
        (head + headCount - 2).storeBytes(of: isWhole ? 70 : 80, as: UInt8.self)
        var end = memory + count
        end.copyMemory(from: head, byteCount: headCount)
        end += headCount
        end.copyMemory(from: first, byteCount: firstCount)
        end += firstCount
        end.copyMemory(from: second, byteCount: secondCount)
        (end + secondCount).storeBytes(of: 10, as: UInt8.self)
        count += headCount + firstCount + secondCount + 1
    }
}

/// Formats the wall clock as RFC 3339 with nanoseconds and a space behind; the date is computed once a second.
struct ClockText {
    private var second: Int64 = -1
    private var prefix = Bytes()

    mutating func now() -> Bytes {
        let time = orch_wall_clock()
        if time / 1_000_000_000 != second {
            second = time / 1_000_000_000
            prefix = Self.date(second)
        }
        var text = prefix
        text.append(time % 1_000_000_000, width: 9)
        text.append("Z ")
        return text
    }

    /// The civil date by Howard Hinnant's `civil_from_days`, for times after 1970.
    private static func date(_ seconds: Int64) -> Bytes {
        let shifted = seconds / 86_400 + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        var text = Bytes()
        text.append(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), width: 4)
        text.append("-")
        text.append(month, width: 2)
        text.append("-")
        text.append(dayOfYear - (153 * monthIndex + 2) / 5 + 1, width: 2)
        text.append("T")
        text.append(seconds % 86_400 / 3600, width: 2)
        text.append(":")
        text.append(seconds % 3600 / 60, width: 2)
        text.append(":")
        text.append(seconds % 60, width: 2)
        text.append(".")
        return text
    }
}
