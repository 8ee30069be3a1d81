import AsyncHTTPClient
import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
package import OrchModel

/// Talks to an agent over its HTTP API.
///
/// Every failure is an ``OrchError``: the agent's own, or `unavailable` when it cannot be reached.
package struct AgentClient: Sendable {
    /// How an agent is reached.
    package enum Door: Sendable, Equatable {
        case socket(path: String)
        /// - Parameter url: `http://host:port`.
        case address(url: String, token: String?)
    }

    /// The largest answer that is no stream, in bytes.
    private static let largestAnswer = 256 << 20

    /// One for the whole program, and for its whole life. An agent that is not there is said so at once.
    private static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        configuration.redirectConfiguration = .disallow
        return HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
    }()

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
            let response = try await execute(
                method, path, query, body, deadline: .now() + .nanoseconds(timeout.nanoseconds))
            let bytes = try await response.body.collect(upTo: Self.largestAnswer)
            try Self.check(response.status, bytes)
            return try JSONDecoder().decode(Answer.self, from: Data(bytes.readableBytesView))
        } catch {
            throw translate(error)
        }
    }

    /// Follows a stream of server-sent events until it ends or `body` returns `false`.
    package func stream(
        _ path: String, query: [(String, String)], body: (ServerSentEvent) async throws -> Bool
    ) async throws(OrchError) {
        do {
            let response = try await execute("GET", path, query, nil, deadline: .distantFuture)
            guard response.status == .ok else {
                try Self.check(response.status, try await response.body.collect(upTo: Self.largestAnswer))
                return
            }
            var parser = ServerSentEventParser()
            for try await chunk in response.body {
                for event in parser.feed(chunk.readableBytesView) {
                    if event.kind == "error" {
                        let failure = try JSONDecoder().decode(ErrorBody.self, from: Data(event.data.utf8))
                        throw OrchError(.init(wireName: failure.error), failure.message)
                    }
                    if try await !body(event) { return }
                }
            }
            throw OrchError(.unavailable, "the agent ended the stream: is it being restarted?")
        } catch {
            throw translate(error)
        }
    }

    private func execute(
        _ method: String, _ path: String, _ query: [(String, String)], _ body: (any Encodable)?, deadline: NIODeadline
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url(path, query))
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "user-agent", value: "orch/\(OrchVersion.current)")
        if case .address(_, let token?) = door { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        }
        return try await Self.http.execute(request, deadline: deadline)
    }

    private func url(_ path: String, _ query: [(String, String)]) -> String {
        let base =
            switch door {
            case .socket(let socket): "http+unix://\(Self.escape(socket))"
            case .address(let url, _): url
            }
        let pairs = query.map { "\(Self.escape($0.0))=\(Self.escape($0.1))" }.joined(separator: "&")
        return base + path + (pairs.isEmpty ? "" : "?\(pairs)")
    }

    /// Percent-encodes all but the unreserved characters of RFC 3986.
    package static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            if byte.isAlphanumeric
                || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~")].contains(byte)
            {
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return escaped
    }

    private static func check(_ status: HTTPResponseStatus, _ bytes: ByteBuffer) throws {
        guard status.code >= 300 else { return }
        if let body = try? JSONDecoder().decode(ErrorBody.self, from: Data(bytes.readableBytesView)) {
            let details = (body.details ?? []).map { "\n  \($0)" }.joined()
            throw OrchError(.init(wireName: body.error), body.message + details)
        }
        throw OrchError(.failed, "the agent answered \(status.code): is that really an orch agent?")
    }

    private func translate(_ error: any Error) -> OrchError {
        if let error = error as? OrchError { return error }
        if error is DecodingError {
            return OrchError(
                .failed,
                "the agent's answer is not understood: it may be of another version than this orch (\(OrchVersion.current))",
                cause: error)
        }
        if let error = error as? HTTPClientError, error == .deadlineExceeded || error == .readTimeout {
            return OrchError(.timedOut, "the agent did not answer in time", cause: error)
        }
        let place =
            switch door {
            case .socket(let path): path
            case .address(let url, _): url
            }
        if case .socket(let path) = door, access(path, F_OK) == 0 || errno == EACCES, access(path, R_OK | W_OK) != 0 {
            return OrchError(.notAllowed, "\(path) belongs to another user: run orch as that one", cause: error)
        }
        if case .address = door {
            return OrchError(
                .unavailable, "no agent answers at \(place): is it started with --http-port?", cause: error)
        }
        return OrchError(.unavailable, "no agent answers at \(place): start one with 'orch bootstrap'", cause: error)
    }
}

extension AgentClient {
    /// Sends a change that has no body.
    package func change(_ method: String = "POST", _ path: String, body: (any Encodable)? = nil) async throws(OrchError)
        -> DeploymentView
    {
        try await call(method, path, body: body)
    }
}
