/// What a peer did against the protocol. The connection is of no use after it: where its messages end is not certain.
struct HTTPViolation: Error, Equatable {
    /// The status that a client gets; towards an instance it is always a 502.
    let status: Int
    let reason: String

    static func bad(_ reason: String) -> HTTPViolation { HTTPViolation(status: 400, reason: reason) }
}

/// Bounds of what one peer may make us keep.
enum HTTPLimits {
    /// Bytes of a head, with its first line. haproxy's default buffer is of the same size.
    static let head = 16_384
    static let headerCount = 100
    /// Bytes of a chunk's size line and of all trailers: nobody needs more.
    static let chunkLine = 256
    static let trailers = 4096
}
