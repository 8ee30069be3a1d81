import Glibc
import OrchModel
import OrchSystem
import Synchronization

/// Writes the log of one of the control plane's own modules as a spool, so that it takes the same way as everybody's.
final class SpoolWriter: Sendable {
    private struct State {
        var file: Int32 = -1
        var size = 0
        var nextEntry: Int64 = 1
    }

    private static let segmentSize = 4 << 20
    /// Segments kept when nobody ships them; the oldest go first.
    private static let mostSegments = 16

    private let folder: String
    private let state = Mutex(State())

    init(folder: String) throws(SystemError) {
        self.folder = folder
        try Files.makeFolder(folder)
        if let last = SpoolFormat.segments(in: folder).last {
            let bytes = try Files.read("\(folder)/\(SpoolFormat.fileName(last))")
            let lines =
                bytes.count { $0 == UInt8(ascii: "\n") } + (bytes.last.map { $0 == UInt8(ascii: "\n") } ?? true ? 0 : 1)
            state.withLock { $0.nextEntry = last + Int64(lines) }
        }
    }

    deinit { state.withLock { if $0.file >= 0 { close($0.file) } } }

    /// Appends a line, whose line ends are replaced. When it returns the line is the system's, so that it outlives us;
    /// the write goes to the page cache and does not wait for the disk.
    func write(_ line: String, at time: Timestamp) {
        let flat = line.utf8.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
        let bytes = Array("\(time) stdout F ".utf8) + flat + [UInt8(ascii: "\n")]
        state.withLock { state in
            if state.file < 0 || state.size + bytes.count > Self.segmentSize { rotate(&state) }
            // A line that cannot be kept leaves its number unused, which the reader counts as lost.
            let written = bytes.withUnsafeBytes { Glibc.write(state.file, $0.baseAddress, $0.count) }
            if written == bytes.count {
                state.size += written
            } else if state.file >= 0 {
                close(state.file)
                state.file = -1
            }
            state.nextEntry += 1
        }
    }

    private func rotate(_ state: inout State) {
        if state.file >= 0 { close(state.file) }
        state.file = open(
            "\(folder)/\(SpoolFormat.fileName(state.nextEntry))", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        state.size = 0
        for old in SpoolFormat.segments(in: folder).dropLast(Self.mostSegments) {
            Files.remove("\(folder)/\(SpoolFormat.fileName(old))")
        }
    }
}
