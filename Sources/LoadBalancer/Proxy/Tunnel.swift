import NIOCore
import OrchModel

/// A client's connection in TCP mode, joined to one of an instance. Used on its event loop only.
///
/// Bytes pass as they come; each side is read only while the other can take more, and either may end its half first.
final class Tunnel: SweptConnection {
    private static let mostTries = 3
    private static let silenceTime = TimeAmount.hours(24)

    let proxy: LoopProxy
    let listener: ListenerAddress
    let clientEnd = TunnelEnd()
    let instanceEnd = TunnelEnd()
    private var service: LoopService?
    private var member: LoopMember?
    private var failed: LoopMember?
    private var tries = 0
    private var begun = NIODeadline.now()
    private var holdTimer: Scheduled<Void>?
    private var holdIsOver = false
    private var isOver = false

    init(_ proxy: LoopProxy, listener: ListenerAddress) {
        self.proxy = proxy
        self.listener = listener
        clientEnd.tunnel = self
        instanceEnd.tunnel = self
    }

    /// The client is there.
    func begin() {
        proxy.opened(self)
        proxy.now = .now()
        begun = proxy.now
        service = proxy.service(at: listener)
        connect()
    }

    private func connect() {
        guard !isOver, let service else { return close() }
        guard let member = service.choose(not: failed) else { return hold() }
        self.member = member
        member.connectTunnel(self).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                guard !self.isOver else { return channel.close(promise: nil) }
                self.joined()
            case .failure:
                guard !self.isOver else { return }
                member.backend.leave()
                if member.backend.failed() {
                    self.proxy.report(
                        TrafficNotice(
                            kind: "instance.passed_over", service: self.service?.name, instance: member.id,
                            message: "it takes no connections; it gets none for a while"))
                }
                member.traffic.retries += 1
                self.member = nil
                self.failed = member
                self.tries += 1
                if self.tries < Self.mostTries { self.connect() } else { self.hold() }
            }
        }
    }

    private func joined() {
        guard let member else { return }
        holdTimer?.cancel()
        member.backend.succeeded()
        member.opened(self)
        member.traffic.connections += 1
        clientEnd.join(instanceEnd)
        instanceEnd.join(clientEnd)
    }

    private func hold() {
        guard let service else { return close() }
        if holdIsOver { return giveUp() }
        if holdTimer == nil {
            holdTimer = proxy.loop.assumeIsolated().scheduleTask(in: service.hold) { [weak self] in
                guard let self else { return }
                holdIsOver = true
                if member == nil { giveUp() }
            }
        }
        if !service.wait(
            self,
            { [weak self] in
                self?.tries = 0
                self?.connect()
            })
        {
            close()
        }
    }

    private func giveUp() {
        service?.traffic.failures += 1
        close()
    }

    func close() {
        clientEnd.close()
        instanceEnd.close()
    }

    /// One of the two channels is gone for good.
    func ended() {
        guard !isOver else { return }
        isOver = true
        holdTimer?.cancel()
        service?.stopWaiting(self)
        if let member {
            member.closed(self)
            member.traffic.bytesIn += clientEnd.byteCount
            member.traffic.bytesOut += instanceEnd.byteCount
            member.traffic.latency.record(microseconds: (NIODeadline.now() - begun).nanoseconds / 1000)
            member.backend.leave()
        }
        clientEnd.closeAfterWrites()
        instanceEnd.closeAfterWrites()
        proxy.closed(self)
        clientEnd.tunnel = nil
        instanceEnd.tunnel = nil
    }

    func sweep(at now: NIODeadline) {
        let last = max(clientEnd.lastRead, instanceEnd.lastRead, begun)
        if now - last > Self.silenceTime { close() }
    }

    var now: NIODeadline { proxy.now }
}

/// One side of a tunnel.
final class TunnelEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long the last bytes may take to a side that hardly reads.
    private static let lastWrites = TimeAmount.seconds(60)

    /// Gone once the tunnel is over.
    var tunnel: Tunnel?
    private(set) var byteCount: Int64 = 0
    private(set) var lastRead = NIODeadline.uptimeNanoseconds(0)
    private var other: TunnelEnd?
    private var early: [ByteBuffer] = []
    private var context: ChannelHandlerContext?
    private var hasHeldRead = false
    private var hasEnded = false

    func join(_ other: TunnelEnd) {
        self.other = other
        for buffer in early { other.write(buffer) }
        if !early.isEmpty { other.context?.flush() }
        early = []
        if hasEnded { other.closeOutput() }
        resumeReading()
    }

    func close() { context?.close(promise: nil) }

    /// The other side is gone; what it sent still has to arrive.
    func closeAfterWrites() {
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.close() }
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.lastWrites) { [weak self] in self?.close() }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        // A connect that failed is taken apart after the next one has begun.
        guard self.context === context else { return }
        self.context = nil
        other = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if tunnel?.clientEnd === self { tunnel?.begin() }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        byteCount += Int64(buffer.readableBytes)
        lastRead = tunnel?.now ?? lastRead
        // The end of a half lets through what was held back, perhaps before there is an other side.
        if let other { other.write(buffer) } else { early.append(buffer) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { other?.context?.flush() }

    func read(context: ChannelHandlerContext) {
        if let other, other.context?.channel.isWritable ?? true { context.read() } else { hasHeldRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { other?.resumeReading() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            hasEnded = true
            other?.closeOutput()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) { tunnel?.ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    private func write(_ buffer: ByteBuffer) { context?.write(wrapOutboundOut(buffer), promise: nil) }

    /// Once all that was written is out: closing the second half closes the channel, with what still waits in it.
    private func closeOutput() {
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.context?.close(mode: .output, promise: nil) }
    }

    private func resumeReading() {
        guard hasHeldRead, other?.context?.channel.isWritable ?? false else { return }
        hasHeldRead = false
        context?.read()
    }
}
