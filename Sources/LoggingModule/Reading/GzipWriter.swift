import CCompression
import Synchronization

/// Packs a stream as gzip, bit by bit, in constant memory.
package final class GzipWriter: @unchecked Sendable {
    // zlib's state, which must not move in memory, is used under the mutex only.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let room = Mutex([UInt8](repeating: 0, count: 65_536))

    package init() {
        stream.initialize(to: z_stream())
        // 15 bits of window, and 16 more for the head of gzip (zlib.h, deflateInit2).
        deflateInit2_(
            stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// - Returns: what is packed so far, which may be nothing yet.
    package func add(_ bytes: [UInt8]) -> [UInt8] { run(bytes, Z_NO_FLUSH) }

    /// - Returns: the rest. Nothing can be added behind it.
    package func finish() -> [UInt8] { run([], Z_FINISH) }

    private func run(_ bytes: [UInt8], _ flush: Int32) -> [UInt8] {
        room.withLock { room in
            var bytes = bytes
            var output: [UInt8] = []
            bytes.withUnsafeMutableBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(input.count)
                repeat {
                    let written = room.withUnsafeMutableBufferPointer { room in
                        stream.pointee.next_out = room.baseAddress
                        stream.pointee.avail_out = UInt32(room.count)
                        deflate(stream, flush)
                        return room.count - Int(stream.pointee.avail_out)
                    }
                    output += room[..<written]
                } while stream.pointee.avail_out == 0
            }
            return output
        }
    }
}
