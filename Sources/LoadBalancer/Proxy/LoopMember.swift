import NIOCore
import NIOPosix
import OrchModel

/// An instance as one event loop sees it: its connections from there, and what went through them. Used on that loop only.
final class LoopMember {
    /// Node.js closes connections that are idle for 5 s (`server.keepAliveTimeout`); a request must not meet that.
    private static let longestIdle = TimeAmount.seconds(4)
    private static let mostIdle = 256
    private static let connectTimeout = TimeAmount.seconds(3)

    let backend: Backend
    var traffic = Traffic()
    /// What opens now has come too late.
    var isCutOff = false
    private unowned let proxy: LoopProxy
    private var idle: [InstanceConnection] = []
    private var open: [ObjectIdentifier: InstanceConnection] = [:]
    private var tunnels: [ObjectIdentifier: Tunnel] = [:]

    init(_ backend: Backend, _ proxy: LoopProxy) {
        self.backend = backend
        self.proxy = proxy
    }

    var id: InstanceID { backend.member.id }

    // MARK: Connections

    /// The one that was used last, so that the others can grow old and go.
    func takeIdle() -> InstanceConnection? {
        while let connection = idle.popLast() {
            if connection.isUsable, proxy.now - connection.idleSince < Self.longestIdle { return connection }
            connection.close()
        }
        return nil
    }

    func putBack(_ connection: InstanceConnection) {
        guard idle.count < Self.mostIdle else { return connection.close() }
        connection.idleSince = proxy.now
        idle.append(connection)
    }

    func connect() -> EventLoopFuture<InstanceConnection> {
        let connection = InstanceConnection(self)
        // Made and used on this loop alone.
        let box = NIOLoopBound(connection, eventLoop: proxy.loop)
        return
            bootstrap
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(box.value)
                }
            }
            .connect(to: backend.address)
            .map { _ in box.value }
    }

    func connectTunnel(_ tunnel: Tunnel) -> EventLoopFuture<any Channel> {
        let box = NIOLoopBound(tunnel, eventLoop: proxy.loop)
        return
            bootstrap
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(box.value.instanceEnd)
                }
            }
            .connect(to: backend.address)
    }

    private var bootstrap: ClientBootstrap {
        ClientBootstrap(group: proxy.loop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    func opened(_ connection: InstanceConnection) {
        open[ObjectIdentifier(connection)] = connection
        if isCutOff { connection.close() }
    }

    func closed(_ connection: InstanceConnection) {
        open[ObjectIdentifier(connection)] = nil
        idle.removeAll { $0 === connection }
    }

    func opened(_ tunnel: Tunnel) {
        tunnels[ObjectIdentifier(tunnel)] = tunnel
        if isCutOff { tunnel.close() }
    }

    func closed(_ tunnel: Tunnel) { tunnels[ObjectIdentifier(tunnel)] = nil }

    // MARK: Leaving

    /// Ends what is idle, and tells what may last for long that it is over.
    func beginDrain() {
        for connection in idle { connection.close() }
        idle = []
        for connection in Array(open.values) { connection.client?.endSoon() }
    }

    /// Ends everything.
    func closeAll() {
        isCutOff = true
        for connection in Array(open.values) { connection.close() }
        for tunnel in Array(tunnels.values) { tunnel.close() }
    }

    func closeOldIdle() {
        while let oldest = idle.first, proxy.now - oldest.idleSince >= Self.longestIdle {
            idle.removeFirst()
            oldest.close()
        }
    }
}
