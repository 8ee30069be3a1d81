import NIOCore
import NIOHTTP1
import NIOPosix
import OrchModel

/// One request on a connection of its own. NIO's codec alone, because a command's start is most of its time: a full client
/// with TLS and pools takes twice as long.
enum HTTPConnection {
    struct Request: Sendable {
        var head: HTTPRequestHead
        var body: ByteBuffer
    }

    /// The body of an answer, as it comes.
    struct Body: AsyncSequence {
        typealias Parts = NIOAsyncChannelInboundStream<HTTPClientResponsePart>

        var parts: Parts.AsyncIterator

        struct AsyncIterator: AsyncIteratorProtocol {
            var parts: Parts.AsyncIterator

            mutating func next() async throws -> ByteBuffer? { try await next(isolation: #isolation) }

            mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> ByteBuffer? {
                while let part = try await parts.next(isolation: actor) {
                    switch part {
                    case .body(let bytes): return bytes
                    case .head: continue
                    case .end: return nil
                    }
                }
                // The connection ended before the answer did.
                throw ChannelError.inputClosed
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(parts: parts) }
    }

    private static let connectTimeout = TimeAmount.seconds(5)

    /// Sends a request and hands the answer to `handle`. Cancelling closes the connection.
    ///
    /// - Parameter content: gives the body bit by bit, and may block, where it is not in the request; `nil` ends it. An answer that comes
    ///   before its end ends it, too.
    static func exchange<Value>(
        _ request: Request, at door: AgentClient.Door,
        sending content: (@Sendable () throws -> ByteBuffer?)? = nil,
        _ handle: (HTTPResponseHead, Body) async throws -> Value
    ) async throws -> Value {
        let connection = try await connect(door)
        return try await connection.executeThenClose { inbound, outbound in
            let channel = connection.channel
            async let sending: Void = send(request, content, outbound, closing: channel)
            var parts = inbound.makeAsyncIterator()
            let first: HTTPClientResponsePart?
            do { first = try await parts.next() } catch { first = nil }
            guard case .head(let head)? = first else {
                // What went wrong while sending says more than that no answer came.
                try await sending
                throw ChannelError.inputClosed
            }
            return try await handle(head, Body(parts: parts))
        }
    }

    /// The same for a body that goes on while the answer comes, for as long as the answer does.
    ///
    /// - Parameter encode: makes a piece of the body of an item; called when the one before is on its way.
    static func converse<Value, Item: Sendable>(
        _ head: HTTPRequestHead, at door: AgentClient.Door, sending items: AsyncStream<Item>,
        encode: @escaping @Sendable (Item) -> ByteBuffer, _ handle: (HTTPResponseHead, Body) async throws -> Value
    ) async throws -> Value {
        let connection = try await connect(door)
        return try await connection.executeThenClose { inbound, outbound in
            try await outbound.write(.head(head))
            async let _: Void = {
                for await item in items { try await outbound.write(.body(encode(item))) }
            }()
            var parts = inbound.makeAsyncIterator()
            guard case .head(let head)? = try await parts.next() else { throw ChannelError.inputClosed }
            return try await handle(head, Body(parts: parts))
        }
    }

    private static func send(
        _ request: Request, _ content: (@Sendable () throws -> ByteBuffer?)?,
        _ outbound: NIOAsyncChannelOutboundWriter<RequestPart>, closing channel: any Channel
    ) async throws {
        guard let content else { return try await outbound.write(.whole(request)) }
        try await outbound.write(.head(request.head))
        do {
            while let bytes = try content() { try await outbound.write(.body(bytes)) }
        } catch let error as OrchError {
            // Nobody would answer a request whose rest never comes.
            channel.close(promise: nil)
            throw error
        }
        try await outbound.write(.end)
    }

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, RequestPart>

    private static func connect(_ door: AgentClient.Door) async throws -> Connection {
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connectTimeout(connectTimeout)
        let initialize: @Sendable (any Channel) -> EventLoopFuture<Connection> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(RequestWriter())
                return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
            }
        }
        switch door {
        case .socket(let path, _):
            return try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: initialize)
        case .address(let url, _):
            let authority = url.split(separator: "/").last.map(String.init) ?? ""
            let colon = authority.lastIndex(of: ":")
            let host = colon.map { String(authority[..<$0]) } ?? authority
            guard let port = colon.map({ Int(authority[authority.index(after: $0)...]) }) ?? 80 else {
                throw OrchError(.invalidRequest, "\(url.quotedOneLine) has no valid port")
            }
            return try await bootstrap.connect(host: host, port: port, channelInitializer: initialize)
        }
    }
}

/// What is written to a connection.
enum RequestPart: Sendable {
    case whole(HTTPConnection.Request)
    case head(HTTPRequestHead)
    case body(ByteBuffer)
    case end
}

/// Takes a request apart for NIO's codec.
private final class RequestWriter: ChannelOutboundHandler {
    typealias OutboundIn = RequestPart
    typealias OutboundOut = HTTPClientRequestPart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .whole(let request):
            context.write(wrapOutboundOut(.head(request.head)), promise: nil)
            if request.body.readableBytes > 0 {
                context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil)
            }
            context.write(wrapOutboundOut(.end(nil)), promise: promise)
        case .head(let head): context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body(let bytes): context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
        case .end: context.write(wrapOutboundOut(.end(nil)), promise: promise)
        }
    }
}

extension HTTPConnection.Body {
    /// All of it, at most `limit` bytes.
    func collect(upTo limit: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await chunk in self {
            guard whole.readableBytes + chunk.readableBytes <= limit else {
                throw OrchError(.failed, "the agent's answer is larger than \(ByteSize(bytes: Int64(limit)))")
            }
            whole.writeImmutableBuffer(chunk)
        }
        return whole
    }
}
