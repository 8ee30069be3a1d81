import NIOCore

/// An answer of our own, in a line of text that says what is wrong and what to do.
struct ProxyAnswer {
    let status: Int
    let text: String
    var retryAfter: Int?
    /// Methods that are allowed.
    var allow: String?

    func bytes(requestID: String, closes: Bool, withoutBody: Bool) -> ByteBuffer {
        let body = "\(status) \(Self.phrase(status)): \(text)\n"
        var head = "HTTP/1.1 \(status) \(Self.phrase(status))\r\nServer: orch\r\n"
        head += "Content-Type: text/plain; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\n"
        head += "Cache-Control: no-store\r\n"
        if !requestID.isEmpty { head += "X-Request-Id: \(requestID)\r\n" }
        if let allow { head += "Allow: \(allow)\r\n" }
        if let retryAfter { head += "Retry-After: \(retryAfter)\r\n" }
        if closes { head += "Connection: close\r\n" }
        return ByteBuffer(string: head + "\r\n" + (withoutBody ? "" : body))
    }

    private static func phrase(_ status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 431: "Request Header Fields Too Large"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}
