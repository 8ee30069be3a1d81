import FoundationEssentials
import Glibc
package import NIOCore
import NIOHTTP1
package import OrchModel

/// Talks to an agent over its HTTP API.
///
/// Every failure is an ``OrchError``: the agent's own, or `unavailable` when it cannot be reached.
package struct AgentClient: Sendable {
    /// How an agent is reached.
    package enum Door: Sendable, Equatable {
        /// - Parameter token: for the socket of instances.
        case socket(path: String, token: String? = nil)
        /// - Parameter url: `http://host:port`.
        case address(url: String, token: String?)
    }

    /// The largest answer that is no stream, in bytes.
    static let largestAnswer = 256 << 20

    package let door: Door

    package init(door: Door) { self.door = door }

    /// - Parameters:
    ///   - path: below the door, as in `/v1/services`.
    ///   - query: names and values, encoded here.
    ///   - timeout: how long the whole answer may take.
    package func call<Answer: Decodable>(
        _ method: String = "GET", _ path: String, query: [(String, String)] = [], body: (any Encodable)? = nil,
        timeout: TimeSpan = .seconds(60), as: Answer.Type = Answer.self
    ) async throws(OrchError) -> Answer {
        do {
            let (status, bytes) = try await answer(to: request(method, path, query, body), within: timeout)
            try Self.check(status, bytes)
            return try JSONDecoder().decode(Answer.self, from: Data(bytes.readableBytesView))
        } catch {
            throw translate(error)
        }
    }

    /// Sends a change that has no answer but the deployment it makes.
    package func change(
        _ method: String = "POST", _ path: String, body: (any Encodable)? = nil
    ) async throws(OrchError) -> DeploymentView {
        try await call(method, path, body: body)
    }

    /// Follows a stream of server-sent events until it ends or `body` returns `false`.
    ///
    /// - Parameter content: is posted, where something is asked for that way.
    package func stream(
        _ path: String, query: [(String, String)] = [], posting content: (any Encodable)? = nil,
        body: (ServerSentEvent) async throws -> Bool
    ) async throws(OrchError) {
        do {
            let request = try request(content == nil ? "GET" : "POST", path, query, content)
            try await HTTPConnection.exchange(request, at: door) { head, chunks in
                guard head.status == .ok else {
                    try Self.check(head.status, try await chunks.collect(upTo: Self.largestAnswer))
                    return
                }
                try await Self.read(chunks, body)
            }
        } catch {
            throw translate(error)
        }
    }

    /// Hands an answer's bytes on as they come.
    ///
    /// - Parameters:
    ///   - offset: the first byte that is wanted, of what has `tag`; something else comes from its beginning.
    ///   - begin: called before with what the answer's head says.
    /// - Throws: `unavailable` where it breaks off before its end.
    package func download(
        _ path: String, query: [(String, String)] = [], from offset: Int64 = 0, tag: String? = nil,
        begin: (DownloadHead) throws -> Void = { _ in }, body: (ByteBuffer) async throws -> Void
    ) async throws(OrchError) {
        do {
            var request = try request("GET", path, query, nil)
            if offset > 0, let tag {
                request.head.headers.add(name: "range", value: "bytes=\(offset)-")
                request.head.headers.add(name: "if-range", value: tag)
            }
            try await HTTPConnection.exchange(request, at: door) { head, chunks in
                guard head.status == .ok || head.status == .partialContent else {
                    try Self.check(head.status, try await chunks.collect(upTo: Self.largestAnswer))
                    return
                }
                try begin(DownloadHead(head, offset: head.status == .partialContent ? offset : 0))
                for try await chunk in chunks { try await body(chunk) }
            }
        } catch {
            throw translate(error)
        }
    }

    private static func read(_ chunks: HTTPConnection.Body, _ body: (ServerSentEvent) async throws -> Bool) async throws
    {
        var parser = ServerSentEventParser()
        for try await chunk in chunks {
            for event in parser.feed(chunk.readableBytesView) {
                if event.kind == "error" {
                    let failure = try JSONDecoder().decode(ErrorBody.self, from: Data(event.data.utf8))
                    throw OrchError(.init(wireName: failure.error), failure.message)
                }
                if try await !body(event) { return }
            }
        }
        throw OrchError(.unavailable, "the agent ended the stream: is it being restarted?")
    }

    private func answer(
        to request: HTTPConnection.Request, within span: TimeSpan
    ) async throws -> (HTTPResponseStatus, ByteBuffer) {
        try await withThrowingTaskGroup(of: (HTTPResponseStatus, ByteBuffer).self) { group in
            group.addTask {
                try await HTTPConnection.exchange(request, at: door) { head, body in
                    (head.status, try await body.collect(upTo: Self.largestAnswer))
                }
            }
            group.addTask {
                try await Task.sleep(for: span.duration)
                throw OrchError(.timedOut, "the agent did not answer within \(span)")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw ChannelError.inputClosed }
            return first
        }
    }

    func request(
        _ method: String, _ path: String, _ query: [(String, String)], _ body: (any Encodable)?
    ) throws -> HTTPConnection.Request {
        var headers = HTTPHeaders([("user-agent", "orch/\(OrchVersion.current)"), ("connection", "close")])
        let host: String
        let token: String?
        switch door {
        case .socket(_, let given): (host, token) = ("agent", given)
        case .address(let url, let given):
            (host, token) = (url.split(separator: "/").last.map(String.init) ?? "", given)
        }
        headers.add(name: "host", value: host)
        if let token {
            guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw OrchError(.invalidRequest, "the token holds characters that no token has: check ORCH_TOKEN")
            }
            headers.add(name: "authorization", value: "Bearer \(token)")
        }
        var content = ByteBuffer()
        if let body {
            content.writeBytes(try JSONEncoder().encode(body))
            headers.add(name: "content-type", value: "application/json")
        }
        if method != "GET" { headers.add(name: "content-length", value: String(content.readableBytes)) }
        let pairs = query.map { "\($0.0.percentEncoded)=\($0.1.percentEncoded)" }.joined(separator: "&")
        let target = pairs.isEmpty ? path : "\(path)?\(pairs)"
        let head = HTTPRequestHead(version: .http1_1, method: .init(rawValue: method), uri: target, headers: headers)
        return HTTPConnection.Request(head: head, body: content)
    }

    static func check(_ status: HTTPResponseStatus, _ bytes: ByteBuffer) throws {
        guard status.code >= 300 else { return }
        if let body = try? JSONDecoder().decode(ErrorBody.self, from: Data(bytes.readableBytesView)) {
            let details = (body.details ?? []).map { "\n  \($0)" }.joined()
            throw OrchError(.init(wireName: body.error), body.message + details)
        }
        throw OrchError(
            status.code < 500 ? .invalidRequest : .failed,
            "the agent answered \(status.code): the request is too large, or that is no orch agent")
    }

    func translate(_ error: any Error) -> OrchError {
        if let error = error as? OrchError { return error }
        if error is DecodingError {
            return OrchError(
                .failed,
                "the agent's answer is not understood: it may be of another version than this orch (\(OrchVersion.current))",
                cause: error)
        }
        switch door {
        case .socket(let path, _):
            if access(path, R_OK | W_OK) != 0, errno == EACCES {
                return OrchError(.notAllowed, "\(path) belongs to another user: run orch as that one", cause: error)
            }
            return OrchError(.unavailable, "no agent answers at \(path): start one with 'orch bootstrap'", cause: error)
        case .address(let url, _):
            return OrchError(.unavailable, "no agent answers at \(url): is it started with --http-port?", cause: error)
        }
    }
}

/// What is known of a download before its bytes come.
package struct DownloadHead: Sendable {
    /// Of the first byte that comes.
    package var offset: Int64
    /// Bytes of the whole; `nil` where nobody knows.
    package var size: Int64?
    /// Tells contents apart, with its quotes.
    package var tag: String?

    fileprivate init(_ head: HTTPResponseHead, offset: Int64) {
        self.offset = offset
        size = head.headers.first(name: "content-length").flatMap { Int64($0) }.map { $0 + offset }
        tag = head.headers.first(name: "etag")
    }
}
