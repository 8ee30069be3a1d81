import NIOCore
import OrchModel

/// The web pages of a service, which need no instance.
extension HTTPClientConnection {
    /// Where a request is for, if it is for the pages of a service.
    ///
    /// - Returns: the path below them; `nil` for what goes to an instance.
    func sitePath(_ head: RequestHead, of service: LoopService) -> String? {
        unread.withUnsafeReadableBytes { bytes in
            let path = HTTPSyntax.slice(bytes, head.path)
            let prefix = service.sitePrefix
            guard path.count >= prefix.count, zip(prefix, path).allSatisfy({ $0 == $1 }) else { return nil }
            guard path.count > prefix.count else { return "" }
            guard path[prefix.count] == UInt8(ascii: "/") else { return nil }
            return String(decoding: path[(prefix.count)...], as: UTF8.self).percentDecoded
        }
    }

    /// The value of `If-None-Match`; empty where there is none.
    func knownTag(_ head: RequestHead) -> String {
        unread.withUnsafeReadableBytes { bytes in
            let bytes = HTTPSyntax.slice(bytes, 0..<head.length)
            var position = head.fields
            while let field = try? HeaderLine(bytes, at: position) {
                if HTTPSyntax.equals(HTTPSyntax.slice(bytes, field.name), "if-none-match") {
                    return String(decoding: HTTPSyntax.slice(bytes, field.value), as: UTF8.self)
                }
                position = field.line.upperBound
            }
            return ""
        }
    }

    func answer(from site: StaticSite, path: String, knownTag: String, method: String) {
        guard method == "GET" || method == "HEAD" else {
            return answerOurselves(
                ProxyAnswer(status: 405, text: "pages of a service are read with GET", allow: "GET, HEAD"))
        }
        // Links in a page go from its folder on, so the address must have the slash.
        guard !path.isEmpty else { return redirect(to: siteAddress) }
        guard let file = site.file(at: String(path.dropFirst())) else {
            return answerOurselves(ProxyAnswer(status: 404, text: "the service has no such page"))
        }
        let isKnown = knownTag == "*" || knownTag.contains(file.tag)
        var head = "HTTP/1.1 \(isKnown ? "304 Not Modified" : "200 OK")\r\nServer: orch\r\n"
        head += "Content-Type: \(file.type)\r\nETag: \(file.tag)\r\nCache-Control: \(file.caching)\r\n"
        head += "X-Content-Type-Options: nosniff\r\n"
        if !isKnown { head += "Content-Length: \(file.body.readableBytes)\r\n" }
        let isEmpty = isKnown || exchange?.head.isHead == true
        exchange?.bytesOut += isEmpty ? 0 : Int64(file.body.readableBytes)
        answerOurselves(status: isKnown ? 304 : 200, head: head, body: isEmpty ? nil : file.body)
    }

    private var siteAddress: String { String(decoding: exchange?.service?.sitePrefix ?? [], as: UTF8.self) + "/" }

    private func redirect(to address: String) {
        let head = "HTTP/1.1 301 Moved Permanently\r\nServer: orch\r\nLocation: \(address)\r\nContent-Length: 0\r\n"
        answerOurselves(status: 301, head: head, body: nil)
    }
}
