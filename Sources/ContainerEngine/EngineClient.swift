package import AsyncHTTPClient
import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1
package import OrchModel
import OrchSystem

/// One engine, asked over its Unix socket in the newest version of the API that both sides know.
///
/// Every call throws ``OrchError``: `unavailable` when nobody answers, `notFound`, `conflict` and `invalidRequest` as the engine
/// says, `failed` for the rest. Cancelling ends the request; what the engine has begun it finishes.
package struct EngineClient: Sendable {
    package let address: EngineAddress
    /// As in `Docker 28.2.2`.
    package let name: String
    /// As in `1.41`.
    let apiVersion: String
    private let http: HTTPClient

    /// 1.40 came with Docker 19.03 and is what Podman has spoken since 3.0. Docker 29 takes nothing older than 1.44.
    private static let oldest = APIVersion(major: 1, minor: 40)
    private static let newest = APIVersion(major: 1, minor: 47)
    /// For an answer that does not stream.
    private static let patience = TimeSpan.seconds(60)
    /// Answers are kept whole up to this size, in bytes.
    private static let largestAnswer = 16 << 20

    /// Greets the first engine that answers.
    ///
    /// - Throws: `unavailable` when none does, with what was tried.
    package static func connect(to addresses: [EngineAddress], http: HTTPClient) async throws(OrchError) -> EngineClient
    {
        var failures: [String] = []
        var stranger: OrchError?
        for address in addresses {
            // Where there is no socket, a connection would be tried again and again until its time is over.
            guard Files.isSocket(address.socket) else {
                failures.append(address.socket)
                continue
            }
            guard access(address.socket, R_OK | W_OK) == 0 else {
                stranger = OrchError(
                    .notAllowed,
                    "the agent may not use the container engine at \(address.socket): put its user into the group that owns it"
                )
                continue
            }
            do throws(OrchError) {
                return try await EngineClient(greeting: address, http: http)
            } catch  where error.code == .unavailable {
                failures.append(address.socket)
            } catch {
                stranger = error
            }
        }
        if let stranger { throw stranger }
        throw OrchError(
            .unavailable,
            "no container engine answers at \(failures.joined(separator: ", ")): start one, or set DOCKER_HOST for the agent"
        )
    }

    private init(greeting address: EngineAddress, http: HTTPClient) async throws(OrchError) {
        struct Greeting: Decodable {
            struct Component: Decodable {
                var name: String
                enum CodingKeys: String, CodingKey { case name = "Name" }
            }
            var version: String
            var apiVersion: String
            var oldest: String?
            var components: [Component]?
            enum CodingKeys: String, CodingKey {
                case version = "Version"
                case apiVersion = "ApiVersion"
                case oldest = "MinAPIVersion"
                case components = "Components"
            }
        }
        let stranger = EngineClient(address: address, name: "the engine", apiVersion: "", http: http)
        let greeting: Greeting = try await stranger.get("/version")
        let isPodman = greeting.components?.contains { $0.name.hasPrefix("Podman") } ?? false
        let name = "\(isPodman ? "Podman" : "Docker") \(greeting.version)"
        guard let theirs = APIVersion(greeting.apiVersion), theirs >= Self.oldest,
            greeting.oldest.flatMap(APIVersion.init) ?? Self.oldest <= Self.newest
        else {
            throw OrchError(
                .invalidRequest,
                "\(name) speaks version \(greeting.apiVersion) of the engine API: one from \(Self.oldest) to \(Self.newest) is needed"
            )
        }
        self.init(address: address, name: name, apiVersion: "\(min(theirs, Self.newest))", http: http)
    }

    private init(address: EngineAddress, name: String, apiVersion: String, http: HTTPClient) {
        self.address = address
        self.name = name
        self.apiVersion = apiVersion
        self.http = http
    }

    // MARK: Requests

    func get<Answer: Decodable>(_ path: String, query: [(String, String)] = []) async throws(OrchError) -> Answer {
        try Self.decode(try await call(.GET, path, query: query))
    }

    func post<Answer: Decodable>(_ path: String, query: [(String, String)] = [], body: JSONValue)
        async throws(OrchError) -> Answer
    {
        try Self.decode(try await call(.POST, path, query: query, body: body))
    }

    /// - Returns: the body of the answer.
    @discardableResult
    func call(
        _ method: HTTPMethod, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil,
        patience: TimeSpan = patience
    ) async throws(OrchError) -> ByteBuffer {
        let request = try request(method, path, query: query, body: body)
        do {
            let response = try await http.execute(request, timeout: .nanoseconds(patience.nanoseconds))
            let answer = try await response.body.collect(upTo: Self.largestAnswer)
            try Self.check(response.status, answer)
            return answer
        } catch {
            throw failure(error)
        }
    }

    /// Sends a request whose answer goes on for as long as `read` does.
    ///
    /// - Parameters:
    ///   - content: a tar archive, instead of a JSON body.
    ///   - credentials: for the registry that the engine asks then, as `X-Registry-Auth` has them.
    func stream<Result: Sendable>(
        _ method: HTTPMethod, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil,
        sending content: HTTPClientRequest.Body? = nil, credentials: String = "",
        _ read: (HTTPClientResponse.Body) async throws -> Result
    ) async throws(OrchError) -> Result {
        var request = try request(method, path, query: query, body: body)
        if !credentials.isEmpty { request.headers.add(name: "x-registry-auth", value: credentials) }
        if let content {
            request.headers.replaceOrAdd(name: "content-type", value: "application/x-tar")
            request.body = content
        }
        do {
            let response = try await http.execute(request, deadline: .distantFuture)
            if response.status.code >= 400 {
                try Self.check(response.status, try await response.body.collect(upTo: Self.largestAnswer))
            }
            return try await read(response.body)
        } catch {
            throw failure(error)
        }
    }

    private func request(_ method: HTTPMethod, _ path: String, query: [(String, String)], body: JSONValue?)
        throws(OrchError) -> HTTPClientRequest
    {
        var url = "http+unix://\(address.socket.percentEncoded)"
        if !apiVersion.isEmpty { url += "/v\(apiVersion)" }
        url += path
        for (index, item) in query.enumerated() {
            url += "\(index == 0 ? "?" : "&")\(item.0.percentEncoded)=\(item.1.percentEncoded)"
        }
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "host", value: "engine")
        guard let body else { return request }
        do {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        } catch {
            throw OrchError(.failed, "a request to the engine cannot be written", cause: error)
        }
        return request
    }

    /// What a list shall be narrowed to, as the API wants it.
    static func filters(_ filters: JSONValue) throws(OrchError) -> String {
        do {
            return String(decoding: try JSONEncoder().encode(filters), as: UTF8.self)
        } catch {
            throw OrchError(.failed, "a request to the engine cannot be written", cause: error)
        }
    }

    private static func decode<Answer: Decodable>(_ answer: ByteBuffer) throws(OrchError) -> Answer {
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(answer.readableBytesView))
        } catch {
            throw OrchError(.failed, "the container engine answers something else than expected", cause: error)
        }
    }

    // MARK: Failures

    static func check(_ status: HTTPResponseStatus, _ answer: ByteBuffer) throws(OrchError) {
        struct Failure: Decodable { var message: String }
        guard status.code >= 400 else { return }
        let failure = try? JSONDecoder().decode(Failure.self, from: Data(answer.readableBytesView))
        let code: OrchError.Code =
            switch status.code {
            case 400: .invalidRequest
            case 401, 403: .notAllowed
            case 404: .notFound
            case 409: .conflict
            default: .failed
            }
        throw OrchError(code, "the container engine says: \(failure?.message ?? status.reasonPhrase)")
    }

    private func failure(_ error: any Error) -> OrchError {
        if let error = error as? OrchError { return error }
        if (error as? HTTPClientError) == .deadlineExceeded {
            return OrchError(.unavailable, "\(name) at \(address.socket) does not answer in time", cause: error)
        }
        return OrchError(
            .unavailable, "\(name) at \(address.socket) does not answer: is it running?", cause: error)
    }
}

/// A version of the engine API, as in `1.41`.
private struct APIVersion: Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".").map { Int($0) }
        guard parts.count >= 2, let major = parts[0], let minor = parts[1] else { return nil }
        self.init(major: major, minor: minor)
    }

    static func < (left: APIVersion, right: APIVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    var description: String { "\(major).\(minor)" }
}
