import Glibc

/// The head of a request: what routing and framing need of it, as ranges into its bytes.
struct RequestHead {
    let length: Int
    let method: Range<Int>
    /// As it was sent.
    let target: Range<Int>
    /// The path, without a query; of `http://host/path` only what is behind the host.
    let path: Range<Int>
    /// The host with its port, from the target or from the field; empty where a client of HTTP/1.0 sends none.
    let host: Range<Int>
    /// Where the header fields begin.
    let fields: Int
    let isHTTP10: Bool
    let framing: BodyFraming
    let keepsAlive: Bool
    let isUpgrade: Bool
    /// Whether asking once more does no harm (RFC 9110, 9.2.2), and there is no body to ask with.
    let isRepeatable: Bool
    let isHead: Bool
    /// Lines that are not passed on, in order.
    let dropped: [Range<Int>]
    /// A name for the request that the client gave, and that is fit to be passed on.
    let requestID: Range<Int>?

    /// - Parameter bytes: the head and nothing else, with whole lines (``HeadEnd``).
    init(_ bytes: UnsafeRawBufferPointer) throws(HTTPViolation) {
        length = bytes.count
        let line = try RequestLine(bytes)
        method = line.method
        target = line.target
        isHTTP10 = line.isHTTP10
        fields = line.end

        var facts = HeaderFacts()
        var hostField: Range<Int>?
        var requestID: Range<Int>?
        var position = line.end
        while let field = try HeaderLine(bytes, at: position) {
            position = field.line.upperBound
            if try facts.take(field, bytes) { continue }
            let name = HTTPSyntax.slice(bytes, field.name)
            switch name.count {
            case 4 where HTTPSyntax.equals(name, "host"):
                guard hostField == nil else { throw .bad("the host is given twice") }
                hostField = field.value
            // Ours say who is in front of us; what a client claims of itself is not passed on.
            case 9 where HTTPSyntax.equals(name, "forwarded"): facts.dropped.append(field.line)
            case 16 where HTTPSyntax.equals(name, "x-forwarded-host"): facts.dropped.append(field.line)
            case 17 where HTTPSyntax.equals(name, "x-forwarded-proto"): facts.dropped.append(field.line)
            case 12 where HTTPSyntax.equals(name, "x-request-id"):
                if requestID == nil, Self.isFit(HTTPSyntax.slice(bytes, field.value)) {
                    requestID = field.value
                } else {
                    facts.dropped.append(field.line)
                }
            default: break
            }
        }
        self.requestID = requestID
        guard let host = line.host ?? hostField ?? (isHTTP10 ? line.end..<line.end : nil) else {
            throw .bad("the host is missing")
        }
        if let first = line.host, let second = hostField, !Self.areEqual(bytes, first, second) {
            throw .bad("the target and the field Host name different hosts")
        }
        self.host = host
        path = line.path
        if facts.isChunked {
            guard facts.contentLength == nil else { throw .bad("there are two lengths") }
            guard !isHTTP10 else { throw .bad("chunks are no part of HTTP/1.0") }
            framing = .chunked
        } else if let count = facts.contentLength {
            framing = .length(count)
        } else {
            framing = .none
        }
        let hasBody = framing != .none && framing != .length(0)
        keepsAlive = isHTTP10 ? facts.saysKeepAlive && !facts.saysClose : !facts.saysClose
        var isUpgrade = false
        if let upgrade = facts.upgrade {
            // h2c would hide what follows from us (RFC 9113 withdrew it).
            let isCleartextHTTP2 = Self.contains(HTTPSyntax.slice(bytes, upgrade), "h2c")
            isUpgrade = facts.wantsUpgrade && !hasBody && !isHTTP10 && !isCleartextHTTP2
            if !isUpgrade { facts.dropped.append(upgrade) }
        }
        self.isUpgrade = isUpgrade
        let word = HTTPSyntax.slice(bytes, method)
        // Methods are case-sensitive (RFC 9110, 9.1): 'head' is another one than 'HEAD', and may have a body in its answer.
        isHead = word.elementsEqual("HEAD".utf8)
        isRepeatable =
            !hasBody && !isUpgrade
            && (word.elementsEqual("GET".utf8) || isHead || word.elementsEqual("OPTIONS".utf8)
                || word.elementsEqual("PUT".utf8) || word.elementsEqual("DELETE".utf8))
        try facts.dropNominated(bytes, from: line.end)
        if facts.dropped.count > 1 { facts.dropped.sort { $0.lowerBound < $1.lowerBound } }
        dropped = facts.dropped
    }

    private static func isFit(_ bytes: UnsafeRawBufferPointer) -> Bool {
        (1...128).contains(bytes.count) && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }

    private static func areEqual(_ bytes: UnsafeRawBufferPointer, _ first: Range<Int>, _ second: Range<Int>) -> Bool {
        zip(first, second).allSatisfy { HTTPSyntax.lowercased(bytes[$0]) == HTTPSyntax.lowercased(bytes[$1]) }
            && first.count == second.count
    }

    private static func contains(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count >= count else { return false }
        return (0...bytes.count - count).contains {
            HTTPSyntax.equals(HTTPSyntax.slice(bytes, $0..<$0 + count), word)
        }
    }
}

/// The first line of a request (RFC 9112, 3).
private struct RequestLine {
    let method: Range<Int>
    let target: Range<Int>
    let path: Range<Int>
    /// Of a target in absolute form.
    let host: Range<Int>?
    let isHTTP10: Bool
    /// Where the next line begins.
    let end: Int

    init(_ bytes: UnsafeRawBufferPointer) throws(HTTPViolation) {
        guard let base = bytes.baseAddress, let found = memchr(base, Int32(HTTPSyntax.lineFeed), bytes.count) else {
            throw .bad("there is no request line")
        }
        let end = found - UnsafeMutableRawPointer(mutating: base) - 1
        self.end = end + 2
        var index = 0
        while index < end, HTTPSyntax.isToken(bytes[index]) { index += 1 }
        guard index > 0, index < end, bytes[index] == HTTPSyntax.space else { throw .bad("the method is malformed") }
        method = 0..<index
        let start = index + 1
        index = start
        while index < end, bytes[index] > 0x20, bytes[index] != 0x7f { index += 1 }
        guard index > start, index < end, bytes[index] == HTTPSyntax.space else {
            throw .bad("the target is malformed")
        }
        target = start..<index
        let version = HTTPSyntax.slice(bytes, index + 1..<end)
        guard version.count == 8, version.starts(with: "HTTP/".utf8), version[6] == UInt8(ascii: "."),
            version[5] &- 48 < 10, version[7] &- 48 < 10
        else { throw .bad("the version is malformed") }
        guard version[5] == UInt8(ascii: "1"), version[7] <= UInt8(ascii: "1") else {
            throw HTTPViolation(status: 505, reason: "only HTTP/1.0 and HTTP/1.1 are spoken here")
        }
        isHTTP10 = version[7] == UInt8(ascii: "0")
        (path, host) = try Self.split(bytes, target, method: HTTPSyntax.slice(bytes, method))
    }

    private static func split(_ bytes: UnsafeRawBufferPointer, _ target: Range<Int>, method: UnsafeRawBufferPointer)
        throws(HTTPViolation) -> (path: Range<Int>, host: Range<Int>?)
    {
        var start = target.lowerBound
        var host: Range<Int>?
        let isAsterisk = target.count == 1 && bytes[start] == UInt8(ascii: "*")
        if isAsterisk, HTTPSyntax.equals(method, "options") { return (target, nil) }
        if bytes[start] != UInt8(ascii: "/") {
            let scheme: StaticString = "http://"
            guard target.count > 7, HTTPSyntax.equals(HTTPSyntax.slice(bytes, start..<start + 7), scheme) else {
                throw .bad("the target is neither a path nor an http address")
            }
            let begin = start + 7
            var end = begin
            while end < target.upperBound, bytes[end] != UInt8(ascii: "/"), bytes[end] != UInt8(ascii: "?") { end += 1 }
            guard end > begin, end < target.upperBound, bytes[end] == UInt8(ascii: "/") else {
                throw .bad("the target has no host or no path")
            }
            host = begin..<end
            start = end
        }
        var end = start
        while end < target.upperBound, bytes[end] != UInt8(ascii: "?"), bytes[end] != UInt8(ascii: "#") { end += 1 }
        return (start..<end, host)
    }
}
