import NIOCore

/// A connection to an instance in HTTP mode: reads answers and hands them to the client whose request they are for.
/// Stays open between requests. Used on its event loop only.
final class InstanceConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What is expected next.
    private enum Phase {
        case idle
        case head
        case body(keepsAlive: Bool)
        /// Whatever comes belongs to the protocol that was switched to.
        case tunnel
    }

    let member: LoopMember
    private(set) weak var client: HTTPClientConnection?
    var idleSince = NIODeadline.now()
    /// Whether it has answered a request before.
    private(set) var isReused = false
    private(set) var isUsable = false
    private(set) var scanner = BodyScanner(.none)
    private var context: ChannelHandlerContext?
    private var phase = Phase.idle
    private var headEnd = HeadEnd()
    private var unread = ByteBuffer()
    private var needsFlush = false
    private var isPaused = false
    private var hasHeldRead = false

    init(_ member: LoopMember) { self.member = member }

    // MARK: Use

    /// From now on it answers this client's request.
    func begin(for client: HTTPClientConnection) {
        self.client = client
        phase = .head
        headEnd = HeadEnd()
    }

    func write(_ buffer: ByteBuffer) {
        needsFlush = true
        context?.write(wrapOutboundOut(buffer), promise: nil)
    }

    func flush() {
        guard needsFlush else { return }
        needsFlush = false
        context?.flush()
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func setPaused(_ pauses: Bool) {
        isPaused = pauses
        if !pauses, hasHeldRead {
            hasHeldRead = false
            context?.read()
        }
    }

    /// No more for its client, who has what it needs. What held it up was that client's.
    func detach() {
        client = nil
        setPaused(false)
    }

    func close() {
        isUsable = false
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { channelActive(context: context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        guard !isUsable else { return }
        isUsable = true
        member.opened(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if unread.readableBytes == 0 { unread = buffer } else { unread.writeBuffer(&buffer) }
        do {
            try process()
        } catch {
            client?.instanceFailed(.brokeProtocol("\((error as? HTTPViolation)?.reason ?? "\(error)")"))
            close()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { client?.flush() }

    func read(context: ChannelHandlerContext) {
        if isPaused { hasHeldRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { client?.instanceWritabilityChanged() }

    func channelInactive(context: ChannelHandlerContext) {
        isUsable = false
        member.closed(self)
        guard let client else { return }
        if case .body = phase, scanner.endsWithConnection {
            phase = .idle
            detach()
            client.answerEnded(self, reusable: false)
        } else {
            detach()
            client.instanceFailed(.closed)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    // MARK: Answers

    private func process() throws {
        while unread.readableBytes > 0 {
            guard let client else {
                // It speaks without being asked.
                return close()
            }
            switch phase {
            case .idle: return close()
            case .tunnel:
                client.tunnelRead(takeUnread(unread.readableBytes))
            case .head:
                guard try readHead(for: client) else { return }
            case .body(let keepsAlive):
                let count = try unread.withUnsafeReadableBytes { try scanner.scan($0) }
                client.answerBody(takeUnread(count))
                finishIfDone(client, keepsAlive: keepsAlive)
            }
        }
    }

    /// - Returns: `false` when more is needed.
    private func readHead(for client: HTTPClientConnection) throws -> Bool {
        guard let length = try unread.withUnsafeReadableBytes({ try headEnd.find(in: $0) }) else { return false }
        let head = try unread.withUnsafeReadableBytes {
            try ResponseHead(HTTPSyntax.slice($0, 0..<length), toHead: client.asksForHead)
        }
        if head.isInterim {
            client.interimAnswer(takeUnread(length))
            return true
        }
        let source = unread
        _ = takeUnread(length)
        if head.status == 101 {
            guard client.asksForUpgrade else { throw HTTPViolation.bad("it switches protocols without being asked") }
            phase = .tunnel
            client.answerBegan(head, source, body: nil)
            return true
        }
        if head.framing == .chunked, client.isHTTP10 {
            throw HTTPViolation.bad("it sends chunks to a client of HTTP/1.0")
        }
        scanner = BodyScanner(head.framing)
        phase = .body(keepsAlive: head.keepsAlive)
        let count = try unread.withUnsafeReadableBytes { try scanner.scan($0) }
        client.answerBegan(head, source, body: count > 0 ? takeUnread(count) : nil)
        finishIfDone(client, keepsAlive: head.keepsAlive)
        return true
    }

    private func finishIfDone(_ client: HTTPClientConnection, keepsAlive: Bool) {
        guard scanner.isDone, self.client === client else { return }
        phase = .idle
        isReused = true
        detach()
        client.answerEnded(self, reusable: keepsAlive && unread.readableBytes == 0 && isUsable)
    }

    private func takeUnread(_ count: Int) -> ByteBuffer {
        if count == unread.readableBytes {
            defer { unread = ByteBuffer() }
            return unread
        }
        return unread.readSlice(length: count) ?? ByteBuffer()
    }
}
