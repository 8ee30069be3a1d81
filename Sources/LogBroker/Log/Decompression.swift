import CCompression
import NIOCore

/// How the records of a batch are packed: the lowest three bits of its attributes.
enum Compression: Int16 {
    case none = 0
    case gzip = 1
    case snappy = 2
    case lz4 = 3
    case zstd = 4

    /// Records may unpack to so many bytes: more is damage, or meant to exhaust us.
    private static let largest = 64 << 20

    /// - Returns: `nil` for what is damaged or larger than 64 MiB.
    func unpack(_ packed: UnsafeRawBufferPointer) -> [UInt8]? {
        switch self {
        case .none: Array(packed)
        case .gzip: Self.gunzip(packed)
        case .snappy: Snappy.unpack(packed, limit: Self.largest)
        case .lz4: Self.unpackLZ4(packed)
        case .zstd: Self.unpackZstandard(packed)
        }
    }

    /// Calls `step` with free room behind what is there, until it says that all is unpacked.
    private static func grow(
        from packedSize: Int, _ step: (UnsafeMutableRawBufferPointer) -> (written: Int, isDone: Bool)?
    ) -> [UInt8]? {
        var unpacked: [UInt8] = []
        // Log lines become about a sixth. What is not used of the room costs nothing.
        var capacity = min(max(packedSize * 10, 65_536), largest + 1)
        while unpacked.count <= largest {
            var isDone: Bool?
            let before = unpacked
            unpacked = [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
                let room = UnsafeMutableRawBufferPointer(memory)
                room.copyBytes(from: before)
                count = before.count
                repeat {
                    let result = step(UnsafeMutableRawBufferPointer(rebasing: room[count...]))
                    count += result?.written ?? 0
                    isDone = result?.isDone
                } while isDone == false && count < capacity
            }
            guard let isDone else { return nil }
            if isDone { return unpacked.count <= largest ? unpacked : nil }
            capacity = min(capacity * 2, largest + 1)
        }
        return nil
    }

    private static func unpackLZ4(_ packed: UnsafeRawBufferPointer) -> [UInt8]? {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context else {
            return nil
        }
        defer { LZ4F_freeDecompressionContext(context) }
        var taken = 0
        return grow(from: packed.count) { room in
            var written = room.count
            var read = packed.count - taken
            let hint = LZ4F_decompress(
                context, room.baseAddress, &written, packed.baseAddress.map { $0 + taken }, &read, nil)
            guard LZ4F_isError(hint) == 0 else { return nil }
            taken += read
            if hint != 0, read == 0, written == 0 { return nil }
            return (written, hint == 0)
        }
    }

    private static func unpackZstandard(_ packed: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let context = ZSTD_createDStream() else { return nil }
        defer { ZSTD_freeDStream(context) }
        var input = ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
        return grow(from: packed.count) { room in
            var output = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
            let before = input.pos
            let hint = ZSTD_decompressStream(context, &output, &input)
            guard ZSTD_isError(hint) == 0 else { return nil }
            if hint != 0, input.pos == before, output.pos == 0 { return nil }
            return (output.pos, hint == 0)
        }
    }

    private static func gunzip(_ packed: UnsafeRawBufferPointer) -> [UInt8]? {
        // zlib's state must not move in memory.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        // 15 bits of window, and 32 more to have the head of gzip or zlib recognised (zlib.h, inflateInit2).
        guard inflateInit2_(stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(stream) }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: packed.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(packed.count)
        return grow(from: packed.count) { room in
            stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(room.count)
            let status = inflate(stream, Z_NO_FLUSH)
            let written = room.count - Int(stream.pointee.avail_out)
            guard status == Z_OK || status == Z_STREAM_END, written > 0 || status == Z_STREAM_END else { return nil }
            return (written, status == Z_STREAM_END)
        }
    }
}
