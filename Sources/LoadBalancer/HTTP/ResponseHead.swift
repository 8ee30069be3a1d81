import Glibc

/// The head of an instance's answer.
struct ResponseHead {
    let length: Int
    let status: Int
    let framing: BodyFraming
    /// Whether the connection can take another request.
    let keepsAlive: Bool
    let isEventStream: Bool
    let dropped: [Range<Int>]

    /// An answer that another one follows (RFC 9110, 15.2).
    var isInterim: Bool { status < 200 && status != 101 }

    /// - Parameter toHead: whether the request asked for the head alone.
    init(_ bytes: UnsafeRawBufferPointer, toHead: Bool) throws(HTTPViolation) {
        length = bytes.count
        guard bytes.count >= 15, HTTPSyntax.equals(HTTPSyntax.slice(bytes, 0..<7), "http/1."),
            bytes[7] == UInt8(ascii: "0") || bytes[7] == UInt8(ascii: "1"), bytes[8] == HTTPSyntax.space,
            let status = HTTPSyntax.number(HTTPSyntax.slice(bytes, 9..<12)), (100...599).contains(status),
            bytes[12] == HTTPSyntax.space || bytes[12] == HTTPSyntax.carriageReturn,
            let found = memchr(bytes.baseAddress!, Int32(HTTPSyntax.lineFeed), bytes.count)
        else { throw .bad("the status line is malformed") }
        self.status = Int(status)
        var facts = HeaderFacts()
        var isEventStream = false
        var position = found - UnsafeMutableRawPointer(mutating: bytes.baseAddress!) + 1
        let fields = position
        while let field = try HeaderLine(bytes, at: position) {
            position = field.line.upperBound
            if try facts.take(field, bytes) { continue }
            let name = HTTPSyntax.slice(bytes, field.name)
            if name.count == 12, HTTPSyntax.equals(name, "content-type"), field.value.count >= 17 {
                let kind = HTTPSyntax.slice(bytes, field.value.lowerBound..<field.value.lowerBound + 17)
                isEventStream = HTTPSyntax.equals(kind, "text/event-stream")
            }
        }
        let isHTTP10 = bytes[7] == UInt8(ascii: "0")
        if let upgrade = facts.upgrade, status != 101 { facts.dropped.append(upgrade) }
        if facts.isChunked, facts.contentLength != nil { throw .bad("there are two lengths") }
        if status < 200 || status == 204 || status == 304 || toHead {
            framing = .none
        } else if facts.isChunked {
            framing = .chunked
        } else if let count = facts.contentLength {
            framing = .length(count)
        } else {
            framing = .untilClose
        }
        keepsAlive = framing != .untilClose && (isHTTP10 ? facts.saysKeepAlive : !facts.saysClose)
        self.isEventStream = isEventStream && status == 200
        try facts.dropNominated(bytes, from: fields)
        if facts.dropped.count > 1 { facts.dropped.sort { $0.lowerBound < $1.lowerBound } }
        dropped = facts.dropped
    }
}
