import OrchModel
import OrchSystem
import Synchronization

/// Writes the log of one of the control plane's own modules as a spool, so that it takes the same way as everybody's.
final class SpoolWriter: Sendable {
    private static let segmentSize = 4 << 20
    /// What is kept when nobody ships it, in bytes; the oldest goes first.
    private static let most: Int64 = 64 << 20

    private let segments: Mutex<SpoolSegments>

    init(folder: String) throws(SystemError) {
        segments = Mutex(try SpoolSegments(folder: folder, segmentSize: Self.segmentSize))
    }

    /// Appends a line, whose line ends are replaced. When it returns the line is the system's, so that it outlives us;
    /// the write goes to the page cache and does not wait for the disk.
    func write(_ line: String, at time: Timestamp) {
        let flat = line.utf8.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
        let bytes = Array("\(time) stdout F ".utf8) + flat + [UInt8(ascii: "\n")]
        segments.withLock { segments in
            do throws(SystemError) {
                if segments.isFull(with: bytes.count) {
                    try segments.begin()
                    segments.dropOldest(above: Self.most)
                }
                try segments.append(bytes, entries: 1)
            } catch {
                segments.skip()
            }
        }
    }
}
