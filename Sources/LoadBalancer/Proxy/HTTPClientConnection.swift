import NIOCore
import OrchModel

/// A client's connection in HTTP mode: reads requests, has an instance answer them one after the other, and passes bodies
/// through as they come. Used on its event loop only.
///
/// Neither side is read while the other cannot take more, so that a connection holds at most a few reads in memory.
final class HTTPClientConnection: ChannelDuplexHandler, SweptConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum State {
        /// For a request, or the rest of its head.
        case reading
        /// The request waits for an instance, or for a connection to it.
        case waiting
        case exchanging
        /// Both sides have switched to another protocol.
        case tunnel(WebSocketEnding?)
        /// The last answer is out; what still comes is thrown away, so that the client gets to read it (RFC 9112, 9.6).
        case lingering
        case closed
    }

    /// The time that a head may take from its first byte, and a connection to its first.
    private static let headTime = TimeAmount.seconds(10)
    private static let idleTime = TimeAmount.seconds(60)
    private static let lingerTime = TimeAmount.seconds(2)
    /// How long an exchange may stand still, and how long a stream or a tunnel.
    static let stallTime = TimeAmount.minutes(5)
    static let silenceTime = TimeAmount.hours(1)
    /// Bytes that are kept of what a client sends ahead.
    private static let mostUnread = 65_536
    private static let mostEmptyLines = 4

    let proxy: LoopProxy
    let listener: ListenerAddress
    var context: ChannelHandlerContext?
    var state = State.reading
    var exchange: Exchange?
    var unread = ByteBuffer()
    /// The head as it goes to the instance.
    var outgoing = ByteBuffer()
    var deadline = NIODeadline.distantFuture
    var isInputClosed = false
    private(set) var clientAddress = ""
    private var headEnd = HeadEnd()
    private var emptyLines = 0
    private var forwarded = ByteBuffer()
    private var forwardedHost: [UInt8]?
    private var isProcessing = false
    private var hasHeldRead = false
    private var needsFlush = false
    private var exchangeCount: UInt64 = 0

    init(_ proxy: LoopProxy, listener: ListenerAddress) {
        self.proxy = proxy
        self.listener = listener
    }

    var asksForHead: Bool { exchange?.head.isHead ?? false }
    var isHTTP10: Bool { exchange?.head.isHTTP10 ?? false }
    var asksForUpgrade: Bool { exchange?.head.isUpgrade ?? false }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        clientAddress = context.channel.remoteAddress?.ipAddress ?? ""
        proxy.opened(self)
        deadline = proxy.now + Self.headTime
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        abandon(status: 499)
        state = .closed
        proxy.closed(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        switch state {
        case .lingering, .closed: return
        case .tunnel:
            deadline = proxy.now + Self.silenceTime
            tunnelWrite(buffer)
        case .reading, .waiting, .exchanging:
            if unread.readableBytes == 0 {
                if case .reading = state { deadline = proxy.now + Self.headTime }
                unread = buffer
            } else {
                unread.writeBuffer(&buffer)
            }
            if case .exchanging = state { forwardBody() } else { processUnread() }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        exchange?.connection?.flush()
        flush()
    }

    func read(context: ChannelHandlerContext) {
        if isFull { hasHeldRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        exchange?.connection?.setPaused(!context.channel.isWritable)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { inputClosed() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    /// The client sends nothing more; it may still wait for its answer.
    private func inputClosed() {
        isInputClosed = true
        switch state {
        case .waiting, .exchanging:
            guard let exchange, exchange.scanner.isDone, !exchange.isEventStream else { return close() }
            self.exchange?.closesAfter = true
        case .reading: closeAfterFlush()
        case .lingering: if isOutputDone { close() }
        case .tunnel: close()
        case .closed: break
        }
    }

    private var isOutputDone: Bool {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 == 0
    }

    /// Whether nothing more should be read for now.
    private var isFull: Bool {
        switch state {
        case .waiting: unread.readableBytes >= Self.mostUnread
        case .exchanging:
            unread.readableBytes >= Self.mostUnread || !(exchange?.connection?.isWritable ?? true)
        case .tunnel: !(exchange?.connection?.isWritable ?? true)
        case .reading, .lingering, .closed: false
        }
    }

    func resumeReading() {
        guard hasHeldRead, !isFull else { return }
        hasHeldRead = false
        context?.read()
    }

    func instanceWritabilityChanged() { resumeReading() }

    func sweep(at now: NIODeadline) {
        guard now > deadline else { return }
        switch state {
        case .reading where unread.readableBytes > 0:
            refuse(HTTPViolation(status: 408, reason: "the request did not arrive in time"))
        case .exchanging where exchange?.isAnswered == false:
            // While the request is still coming, the client is the one that is slow.
            if exchange?.scanner.isDone == true {
                instanceFailed(.tooSlow)
            } else {
                refuse(HTTPViolation(status: 408, reason: "the request's body did not arrive in time"))
            }
        case .closed: break
        case .waiting: break
        case .reading: isOutputDone ? close() : closeAfterFlush()
        case .exchanging, .tunnel, .lingering: close()
        }
    }

    // MARK: Writing

    func write(_ buffer: ByteBuffer) {
        needsFlush = true
        context?.write(wrapOutboundOut(buffer), promise: nil)
    }

    func flush() {
        guard needsFlush else { return }
        needsFlush = false
        context?.flush()
    }

    func close() { context?.close(promise: nil) }

    /// Ends the connection once everything is written. What the client still sends must not make the kernel throw our
    /// last answer away, so it is read to its end, for a while.
    func closeAfterFlush() {
        guard let context else { return }
        let isQuiet = unread.readableBytes == 0 && (exchange?.scanner.isDone ?? true)
        state = .lingering
        unread = ByteBuffer()
        deadline = proxy.now + Self.stallTime
        needsFlush = false
        context.flush()
        // Mostly the kernel has taken everything by now.
        if isOutputDone { return endOutput(isQuiet) }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.endOutput(isQuiet) }
    }

    private func endOutput(_ isQuiet: Bool) {
        if isQuiet || isInputClosed {
            close()
        } else {
            deadline = proxy.now + Self.lingerTime
            context?.close(mode: .output, promise: nil)
            resumeReading()
        }
    }

    // MARK: Requests

    func nextRequest() {
        state = .reading
        headEnd = HeadEnd()
        if isInputClosed, unread.readableBytes == 0 { return closeAfterFlush() }
        deadline = proxy.now + (unread.readableBytes > 0 ? Self.headTime : Self.idleTime)
        processUnread()
        resumeReading()
    }

    func processUnread() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while case .reading = state, unread.readableBytes > 0 {
            do {
                guard let length = try unread.withUnsafeReadableBytes({ try headEnd.find(in: $0) }) else { return }
                if length == 2 {
                    // An empty line before a request is to be ignored (RFC 9112, 2.2).
                    emptyLines += 1
                    guard emptyLines <= Self.mostEmptyLines else {
                        throw HTTPViolation.bad("there are only empty lines")
                    }
                    skipUnread(2)
                    continue
                }
                emptyLines = 0
                begin(
                    try unread.withUnsafeReadableBytes { try RequestHead(HTTPSyntax.slice($0, 0..<length)) })
            } catch {
                refuse(error as? HTTPViolation ?? .bad("\(error)"))
            }
        }
    }

    func skipUnread(_ count: Int) {
        if count == unread.readableBytes { unread = ByteBuffer() } else { unread.moveReaderIndex(forwardBy: count) }
    }

    private func begin(_ head: RequestHead) {
        proxy.now = .now()
        let service = unread.withUnsafeReadableBytes {
            proxy.service(at: listener, host: HTTPSyntax.slice($0, head.host), path: HTTPSyntax.slice($0, head.path))
        }
        exchangeCount += 1
        let given = head.requestID.map { range in
            unread.withUnsafeReadableBytes { String(decoding: $0[range], as: UTF8.self) }
        }
        let exchange = Exchange(
            number: exchangeCount, head: head, service: service, requestID: given,
            generatedID: given == nil ? proxy.nextRequestID() : 0, begun: proxy.now)
        writeOutgoing(exchange)
        var page: (site: StaticSite, path: String, knownTag: String, method: String)?
        if let service, let site = service.site, let path = sitePath(head, of: service) {
            let method = unread.withUnsafeReadableBytes { String(decoding: $0[head.method], as: UTF8.self) }
            page = (site, path, knownTag(head), method)
        }
        skipUnread(head.length)
        self.exchange = exchange
        state = .waiting
        guard service != nil else {
            return answerOurselves(
                ProxyAnswer(status: 404, text: "no service answers for this host and path; 'orch services' lists them"))
        }
        if let page {
            return answer(from: page.site, path: page.path, knownTag: page.knownTag, method: page.method)
        }
        proceed()
    }

    private func writeOutgoing(_ exchange: Exchange) {
        updateForwarded(exchange.head)
        outgoing.clear(minimumCapacity: exchange.head.length + forwarded.readableBytes + 64)
        ForwardedHead.write(exchange.head, of: unread, adding: forwarded, into: &outgoing)
        if exchange.requestID == nil {
            outgoing.writeStaticString("X-Request-Id: ")
            Hexadecimal.write(exchange.generatedID, into: &outgoing)
            outgoing.writeStaticString("\r\n")
        }
        if exchange.head.isUpgrade { outgoing.writeStaticString("Connection: upgrade\r\n") }
        outgoing.writeStaticString("\r\n")
    }

    /// The lines that say who asks and for what (RFC 7239, and the older `X-Forwarded-*`); the same for every request to
    /// one host.
    private func updateForwarded(_ head: RequestHead) {
        let isKnown = unread.withUnsafeReadableBytes { bytes in
            forwardedHost.map { $0.elementsEqual(HTTPSyntax.slice(bytes, head.host)) } ?? false
        }
        guard !isKnown else { return }
        let host = unread.withUnsafeReadableBytes { Array($0[head.host]) }
        let name = String(decoding: host, as: UTF8.self).filter { $0 != "\"" && $0 != "\\" }
        let scheme = listener.isTLS ? "https" : "http"
        let node = clientAddress.contains(":") ? "\"[\(clientAddress)]\"" : clientAddress
        forwardedHost = host
        forwarded.clear()
        forwarded.writeString("X-Forwarded-For: \(clientAddress)\r\nX-Forwarded-Proto: \(scheme)\r\n")
        if !name.isEmpty { forwarded.writeString("X-Forwarded-Host: \(name)\r\n") }
        forwarded.writeString("Forwarded: for=\(node)\(name.isEmpty ? "" : ";host=\"\(name)\"");proto=\(scheme)\r\n")
    }

    /// The client has broken the protocol: it is told, and its connection ends.
    func refuse(_ violation: HTTPViolation) {
        let hadAnswer = exchange?.isAnswered ?? false
        proxy.refused(violation, at: listener)
        exchange?.connection.map { connection in
            connection.detach()
            connection.close()
        }
        let name = exchange?.name ?? Hexadecimal.text(proxy.nextRequestID())
        finishExchange(status: violation.status, failed: false)
        guard !hadAnswer else { return close() }
        let answer = ProxyAnswer(status: violation.status, text: violation.reason)
        unread = ByteBuffer(bytes: [0])
        write(answer.bytes(requestID: name, closes: true, withoutBody: false))
        closeAfterFlush()
    }
}
