import NIOCore

/// Writes heads as they go on: without what concerned the connection they came by, and with what we add.
enum ForwardedHead {
    /// - Parameters:
    ///   - source: begins with the head.
    ///   - lines: whole header lines that are added.
    static func write(
        _ head: RequestHead, of source: ByteBuffer, adding lines: ByteBuffer, into out: inout ByteBuffer
    ) {
        source.withUnsafeReadableBytes { bytes in
            if head.path.lowerBound == head.target.lowerBound {
                copy(bytes, 0..<head.length - 2, without: head.dropped, into: &out)
            } else {
                // An address as a proxy gets it becomes a path as a server gets it; the field names the same host.
                out.writeBytes(bytes[head.method])
                out.writeInteger(HTTPSyntax.space)
                out.writeBytes(bytes[head.path.lowerBound..<head.target.upperBound])
                copy(bytes, head.target.upperBound..<head.length - 2, without: head.dropped, into: &out)
            }
        }
        out.writeImmutableBuffer(lines)
    }

    static func write(
        _ head: ResponseHead, of source: ByteBuffer, adding lines: StaticString, into out: inout ByteBuffer
    ) {
        source.withUnsafeReadableBytes { bytes in
            copy(bytes, 0..<head.length - 2, without: head.dropped, into: &out)
        }
        out.writeStaticString(lines)
        out.writeStaticString("\r\n")
    }

    private static func copy(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, without dropped: [Range<Int>], into out: inout ByteBuffer
    ) {
        var start = range.lowerBound
        for gap in dropped where gap.lowerBound >= start {
            out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<gap.lowerBound]))
            start = gap.upperBound
        }
        out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<range.upperBound]))
    }
}
