import NIOCore
import TestSupport
import Testing

@testable import LoadBalancer

private func bytes<Value>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
    try Array(text.utf8).withUnsafeBytes(body)
}

private func head(_ text: String) throws -> RequestHead {
    try bytes(text) { bytes in
        var end = HeadEnd()
        let length = try #require(try end.find(in: bytes))
        return try RequestHead(HTTPSyntax.slice(bytes, 0..<length))
    }
}

private func status(_ text: String) -> Int {
    do {
        _ = try head(text)
        return 0
    } catch let violation as HTTPViolation {
        return violation.status
    } catch {
        return -1
    }
}

struct RequestHeadTests {
    @Test func `a plain request is taken as it is`() throws {
        let text = "GET /shop/cart?id=7 HTTP/1.1\r\nHost: shop.example.com\r\nAccept: */*\r\n\r\n"
        let request = try head(text)
        #expect(bytes(text) { String(decoding: $0[request.path], as: UTF8.self) } == "/shop/cart")
        #expect(bytes(text) { String(decoding: $0[request.host], as: UTF8.self) } == "shop.example.com")
        #expect(request.framing == .none)
        #expect(request.keepsAlive)
        #expect(request.isRepeatable)
        #expect(request.dropped.isEmpty)
    }

    @Test func `only asking again without a body is repeatable`() throws {
        #expect(try head("PUT / HTTP/1.1\r\nHost: a\r\n\r\n").isRepeatable)
        #expect(try !head("POST / HTTP/1.1\r\nHost: a\r\n\r\n").isRepeatable)
        #expect(try !head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").isRepeatable)
        #expect(try !head("DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").isRepeatable)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{0}c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / XTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ])
    func `what could be understood in two ways is refused`(text: String) {
        #expect(status(text) == 400, "\(text.debugDescription)")
    }

    @Test func `other versions, large heads and many fields have statuses of their own`() {
        #expect(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505)
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 17_000))\r\n\r\n") == 431)
        #expect(status("GET /\(String(repeating: "x", count: 17_000))") == 431)
        let many = (0..<99).map { "X-\($0): y\r\n" }.joined()
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\n\(many)\r\n") == 0)
        let more = (0..<100).map { "Connection: y\($0)\r\n" }.joined()
        #expect(status("GET / HTTP/1.1\r\nHost: a\r\n\(more)\r\n") == 431)
    }

    @Test func `what concerns the connection alone is not passed on`() throws {
        let text =
            "GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-Forwarded-Proto: https\r\nForwarded: for=me\r\nUpgrade: h2c\r\nKept: 1\r\n\r\n"
        let request = try head(text)
        #expect(!request.keepsAlive)
        #expect(!request.isUpgrade)
        var out = ByteBuffer()
        ForwardedHead.write(
            request, of: ByteBuffer(string: text), adding: ByteBuffer(string: "Added: 2\r\n"), into: &out)
        #expect(String(buffer: out) == "GET /x HTTP/1.1\r\nHost: a\r\nKept: 1\r\nAdded: 2\r\n")
    }

    @Test func `an upgrade is passed on, one to cleartext HTTP 2 is not`() throws {
        let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        #expect(try head(upgrade).isUpgrade)
        #expect(try !head(upgrade.replacing("websocket", with: "h2c")).isUpgrade)
    }

    @Test func `a head may come in any pieces`() throws {
        let text = Array("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n".utf8)
        for cut in 1..<text.count {
            var end = HeadEnd()
            #expect(try text[..<cut].withUnsafeBytes { try end.find(in: $0) } == nil)
            #expect(try text.withUnsafeBytes { try end.find(in: $0) } == text.count)
        }
    }
}

struct BodyScannerTests {
    private func scan(_ text: String, pieces: Int = 1) throws -> (taken: Int, isDone: Bool) {
        var scanner = BodyScanner(.chunked)
        let all = Array(text.utf8)
        var taken = 0
        while taken < all.count, !scanner.isDone {
            let end = min(all.count, taken + max(1, all.count / pieces))
            taken += try all[taken..<end].withUnsafeBytes { try scanner.scan($0) }
        }
        return (taken, scanner.isDone)
    }

    @Test func `chunks are followed to their end in any pieces, and not beyond`() throws {
        let body = "5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        for pieces in 1...body.utf8.count {
            let result = try scan(body + "GET", pieces: pieces)
            #expect(result.isDone)
            #expect(result.taken == body.utf8.count)
        }
    }

    @Test(arguments: [
        "\r\n", "g\r\n", "0x5\r\n", "5 \r\n", "5\n", "-1\r\n", "5\r\nhelloX", "5\r\nhello\n", "ffffffffffffffff\r\n",
        "1000000000000000\r\n", "0\r\nX: y\n", "0\r\n\u{1}", "5;\u{0}\r\n",
        "5;\(String(repeating: "x", count: 300))\r\n",
    ])
    func `a malformed chunk is refused`(text: String) {
        #expect(throws: HTTPViolation.self) { try scan(text) }
    }

    @Test func `a counted body ends where it says`() throws {
        var scanner = BodyScanner(.length(5))
        #expect(try bytes("hel") { try scanner.scan($0) } == 3)
        #expect(!scanner.isDone)
        #expect(try bytes("loGET") { try scanner.scan($0) } == 2)
        #expect(scanner.isDone)
        #expect(BodyScanner(.length(0)).isDone)
    }
}

struct ResponseHeadTests {
    private func answer(_ text: String, toHead: Bool = false) throws -> ResponseHead {
        try bytes(text) { try ResponseHead($0, toHead: toHead) }
    }

    @Test func `the end of an answer follows from its status, the request and its fields`() throws {
        #expect(try answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").framing == .length(3))
        #expect(try answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", toHead: true).framing == .none)
        #expect(try answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n").framing == .none)
        #expect(try answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").framing == .chunked)
        let open = try answer("HTTP/1.1 200 OK\r\n\r\n")
        #expect(open.framing == .untilClose)
        #expect(!open.keepsAlive)
        #expect(try answer("HTTP/1.1 100 Continue\r\n\r\n").isInterim)
        #expect(try answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").isEventStream)
    }

    @Test(arguments: [
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "ICY 200 OK\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ])
    func `an answer that could be understood in two ways is refused`(text: String) {
        #expect(throws: HTTPViolation.self) { try answer(text) }
    }
}

/// Random bytes, and random changes of good messages: whatever comes, the scanners answer or refuse, and never read beyond.
struct HTTPFuzzTests {
    @Test(arguments: 0..<8) func `no bytes can confuse the scanners`(seed: Int) throws {
        var random = SeededNumbers(seed: UInt64(seed))
        let good = Array(
            "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: x\r\nX: y\r\n\r\n5;e\r\nhello\r\n0\r\n\r\n"
                .utf8)
        for _ in 0..<4000 {
            var message = good
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<message.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: message[place] = UInt8.random(in: 0...255, using: &random)
                case 1: message.remove(at: place)
                default: message.insert(contentsOf: Array("\r\n: ;".utf8).shuffled(using: &random), at: place)
                }
            }
            message.withUnsafeBytes { bytes in
                var end = HeadEnd()
                guard let length = try? end.find(in: bytes) else { return }
                #expect(length <= bytes.count)
                let slice = HTTPSyntax.slice(bytes, 0..<length)
                _ = try? ResponseHead(slice, toHead: false)
                guard let head = try? RequestHead(slice) else { return }
                for range in [head.method, head.target, head.path, head.host] { #expect(range.upperBound <= length) }
                for (first, second) in zip(head.dropped, head.dropped.dropFirst()) {
                    #expect(first.upperBound <= second.lowerBound)
                }
                var scanner = BodyScanner(head.framing)
                if let taken = try? scanner.scan(HTTPSyntax.slice(bytes, length..<bytes.count)) {
                    #expect(taken <= bytes.count - length)
                }
            }
        }
    }
}
