import COrchSystem

/// The log of an instance on disk: segments in the folder `spool`, each named by the number of its first entry in 20
/// digits. Entries are numbered without a gap from 1 over all restarts, so a missing number is a lost entry.
final class Spool {
    private let limit: Int64
    private let segmentLimit: Int64
    private let dropsOldest: Bool
    private var file: Int32 = -1
    private var segmentSize: Int64 = 0
    private var totalSize: Int64 = 0
    private var nextEntry: Int64 = 1

    init(limit: Int64, segmentLimit: Int64, dropsOldest: Bool) {
        self.limit = limit
        self.segmentLimit = segmentLimit
        self.dropsOldest = dropsOldest
        _ = orch_mkdir("spool", 0o700)
        let segments = measure()
        if let last = segments.max() { nextEntry = last + countEntries(of: last) }
    }

    /// Whether a writer that does not drop has to wait.
    /// The agent removes segments that the broker has, so the folder is measured again before the answer is yes.
    var mustWait: Bool {
        guard !dropsOldest, totalSize >= limit else { return false }
        _ = measure()
        return totalSize >= limit
    }

    /// Appends entries that ``LineFramer`` made. Where the disk is full they are lost, and their numbers stay unused.
    func append(_ bytes: UnsafeRawBufferPointer, entries: Int64) {
        guard entries > 0 else { return }
        if file < 0 || segmentSize + Int64(bytes.count) > segmentLimit { rotate() }
        if dropsOldest, totalSize + Int64(bytes.count) > limit { dropOldest(until: limit - Int64(bytes.count)) }
        if file >= 0, writeAll(file, bytes) == 0 {
            segmentSize += Int64(bytes.count)
            totalSize += Int64(bytes.count)
        } else {
            // A part may have been written. The next entries go to a new segment, whose name shows the gap.
            if file >= 0 { _ = orch_close(file) }
            file = -1
        }
        nextEntry += entries
    }

    private func rotate() {
        if file >= 0 { _ = orch_close(file) }
        file = Self.path(of: nextEntry).withCString { orch_open($0, orch_open_append, 0o600) }
        segmentSize = 0
    }

    private func dropOldest(until size: Int64) {
        var segments = measure().sorted()
        // The last one is being written.
        _ = segments.popLast()
        for segment in segments where totalSize > size {
            let path = Self.path(of: segment)
            let length = path.withCString { orch_file_size($0) }
            if path.withCString({ orch_unlink($0) }) == 0 { totalSize -= length }
        }
    }

    /// Sums the sizes up, and gives the numbers that the segments are named by.
    private func measure() -> [Int64] {
        let names = NameList()
        _ = orch_list("spool", Unmanaged.passUnretained(names).toOpaque()) { context, name in
            guard let context else { return }
            Unmanaged<NameList>.fromOpaque(context).takeUnretainedValue().add(name)
        }
        totalSize = 0
        for segment in names.segments { totalSize += max(0, Self.path(of: segment).withCString { orch_file_size($0) }) }
        return names.segments
    }

    private func countEntries(of segment: Int64) -> Int64 {
        let fd = Self.path(of: segment).withCString { orch_open($0, orch_open_read, 0) }
        guard fd >= 0 else { return 0 }
        var buffer = Bytes(repeating: 0, count: 65_536)
        var entries: Int64 = 0
        var endsWithNewline = true
        while true {
            let count = Int(buffer.withUnsafeMutableBytes { orch_read(fd, $0.baseAddress!, $0.count) })
            guard count > 0 else { break }
            for index in 0..<count where buffer[index] == 10 { entries += 1 }
            endsWithNewline = buffer[count - 1] == 10
        }
        _ = orch_close(fd)
        return endsWithNewline ? entries : entries + 1
    }

    private static func path(of segment: Int64) -> Bytes {
        var path = Bytes()
        path.append("spool/")
        path.append(segment, width: 20)
        path.append(".log")
        return path
    }
}

private final class NameList {
    private(set) var segments: [Int64] = []

    func add(_ name: UnsafePointer<CChar>) {
        var value: Int64 = 0
        var index = 0
        while name[index] >= 48, name[index] <= 57, index < 20 {
            value = value &* 10 &+ Int64(name[index] - 48)
            index += 1
        }
        if index == 20, name[index] == 46 { segments.append(value) }
    }
}
