import NIOCore

/// Follows the frames of one direction of a WebSocket (RFC 6455, 5.2), so that a frame of our own can go between two.
struct WebSocketFrames {
    /// Header bytes of the frame that begins here, as far as they have come: at most 14.
    private var header: [UInt8] = []
    private var payload: UInt64 = 0

    /// Whether the bytes so far end where a frame ends.
    var isBetweenFrames: Bool { header.isEmpty && payload == 0 }

    mutating func scan(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            if payload > 0 {
                let taken = min(payload, UInt64(bytes.count - index))
                payload -= taken
                index += Int(taken)
                continue
            }
            header.append(bytes[index])
            index += 1
            if let length = completeLength {
                payload = length
                header.removeAll(keepingCapacity: true)
            }
        }
    }

    /// The payload's length once the header is whole.
    private var completeLength: UInt64? {
        guard header.count >= 2 else { return nil }
        let mask = header[1] & 0x80 != 0 ? 4 : 0
        let short = header[1] & 0x7f
        let extra = short == 126 ? 2 : short == 127 ? 8 : 0
        guard header.count == 2 + extra + mask else { return nil }
        guard extra > 0 else { return UInt64(short) }
        return header[2..<2 + extra].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A close frame with status 1001, going away (RFC 6455, 7.4.1), as a server sends it.
    static let closeToClient = ByteBuffer(bytes: [0x88, 0x02, 0x03, 0xe9])
    /// The same as a client sends it, with a mask of zeros.
    static let closeToServer = ByteBuffer(bytes: [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])
}
