import Glibc

/// One header field, as ranges into the head.
struct HeaderLine {
    /// With its line end.
    let line: Range<Int>
    let name: Range<Int>
    let value: Range<Int>

    /// Reads the line that begins at `start` (RFC 9112, 5). The head is known to have whole lines only.
    ///
    /// - Returns: `nil` at the empty line.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer, at start: Int) throws(HTTPViolation) {
        guard let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(HTTPSyntax.lineFeed), bytes.count - start)
        else { return nil }
        let end = found - UnsafeMutableRawPointer(mutating: base) - 1
        if end == start { return nil }
        guard bytes[start] != HTTPSyntax.space, bytes[start] != HTTPSyntax.tab else {
            throw .bad("a header field is folded over two lines")
        }
        var index = start
        while index < end, HTTPSyntax.isToken(bytes[index]) { index += 1 }
        guard index > start, index < end, bytes[index] == HTTPSyntax.colon else {
            throw .bad("a header field has no proper name")
        }
        name = start..<index
        line = start..<end + 2
        value = HTTPSyntax.trimmed(bytes, index + 1..<end)
        for index in value {
            let byte = bytes[index]
            if byte < 0x20, byte != HTTPSyntax.tab { throw .bad("a header field holds a control character") }
        }
    }
}

/// What the fields of a head say of the message behind it, gathered line by line.
struct HeaderFacts {
    var contentLength: Int64?
    var isChunked = false
    var saysClose = false
    var saysKeepAlive = false
    var upgrade: Range<Int>?
    var wantsUpgrade = false
    /// Lines that concern this connection alone and are not passed on (RFC 9110, 7.6.1).
    var dropped: [Range<Int>] = []
    private var nominated: [Range<Int>] = []
    private(set) var count = 0

    /// - Returns: whether the field was one of those that concern the connection or the length.
    @inline(__always)
    mutating func take(_ field: HeaderLine, _ bytes: UnsafeRawBufferPointer) throws(HTTPViolation) -> Bool {
        count += 1
        if count > HTTPLimits.headerCount {
            throw HTTPViolation(status: 431, reason: "there are more than \(HTTPLimits.headerCount) header fields")
        }
        let name = HTTPSyntax.slice(bytes, field.name)
        switch name.count {
        case 2 where HTTPSyntax.equals(name, "te"): dropped.append(field.line)
        case 7 where HTTPSyntax.equals(name, "upgrade"):
            guard upgrade == nil else { throw .bad("an upgrade is asked for twice") }
            upgrade = field.line
        case 10 where HTTPSyntax.equals(name, "connection"): takeConnection(field, bytes)
        case 10 where HTTPSyntax.equals(name, "keep-alive"): dropped.append(field.line)
        case 14 where HTTPSyntax.equals(name, "content-length"):
            guard contentLength == nil else { throw .bad("the length is given twice") }
            guard let length = HTTPSyntax.number(HTTPSyntax.slice(bytes, field.value)) else {
                throw .bad("the length is no number")
            }
            contentLength = length
        case 16 where HTTPSyntax.equals(name, "proxy-connection"): dropped.append(field.line)
        case 17 where HTTPSyntax.equals(name, "transfer-encoding"):
            guard !isChunked, HTTPSyntax.equals(HTTPSyntax.slice(bytes, field.value), "chunked") else {
                throw .bad("the transfer encoding is not chunked, or is given twice")
            }
            isChunked = true
        default: return false
        }
        return true
    }

    private mutating func takeConnection(_ field: HeaderLine, _ bytes: UnsafeRawBufferPointer) {
        dropped.append(field.line)
        HTTPSyntax.forEachElement(bytes, field.value) { element in
            let word = HTTPSyntax.slice(bytes, element)
            if HTTPSyntax.equals(word, "close") {
                saysClose = true
            } else if HTTPSyntax.equals(word, "keep-alive") {
                saysKeepAlive = true
            } else if HTTPSyntax.equals(word, "upgrade") {
                wantsUpgrade = true
            } else if !element.isEmpty {
                nominated.append(element)
            }
        }
    }

    /// Adds the lines whose names the field `Connection` lists, except those that say where the message ends.
    mutating func dropNominated(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(HTTPViolation) {
        guard !nominated.isEmpty else { return }
        var position = start
        while let field = try HeaderLine(bytes, at: position) {
            position = field.line.upperBound
            let name = HTTPSyntax.slice(bytes, field.name)
            let isFraming =
                HTTPSyntax.equals(name, "content-length") || HTTPSyntax.equals(name, "transfer-encoding")
                || HTTPSyntax.equals(name, "host")
            let isNominated = nominated.contains { element in
                let word = HTTPSyntax.slice(bytes, element)
                return word.count == name.count
                    && zip(word, name).allSatisfy { HTTPSyntax.lowercased($0) == HTTPSyntax.lowercased($1) }
            }
            if isNominated, !isFraming, !dropped.contains(field.line) { dropped.append(field.line) }
        }
        dropped.sort { $0.lowerBound < $1.lowerBound }
    }
}
