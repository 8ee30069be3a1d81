import NIOCore
import NIOPosix
import NIOSSL
import OrchModel
import OrchSystem

/// An open address: one listening socket on each event loop (SO_REUSEPORT), so that a connection is accepted where it is
/// served.
struct Listener: Sendable {
    private static let backlog: Int32 = 4096

    let address: ListenerAddress
    let certificates: TLSCertificates?
    private let channels: [any Channel]

    /// - Throws: `conflict` for a taken port, `notAllowed` for one that we may not have.
    static func open(
        _ address: ListenerAddress, on proxies: [NIOLoopBound<LoopProxy>], mostConnections: Int,
        report: @escaping @Sendable (TrafficNotice) -> Void
    ) async throws(OrchError) -> Listener {
        var channels: [any Channel] = []
        do {
            let certificates = address.isTLS ? TLSCertificates(report: report) : nil
            let context = try certificates?.context()
            for proxy in proxies {
                let bootstrap = ServerBootstrap(group: proxy.eventLoop)
                    .serverChannelOption(.backlog, value: backlog)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .serverChannelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
                    // Linux hands it down to every connection that is accepted, which saves a call for each.
                    .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .childChannelOption(.allowRemoteHalfClosure, value: true)
                    .childChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            guard proxy.value.connectionCount < mostConnections else {
                                throw OrchError(.unavailable, "there are too many connections")
                            }
                            let pipeline = channel.pipeline.syncOperations
                            if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                            switch address.mode {
                            case .http: try pipeline.addHandler(HTTPClientConnection(proxy.value, listener: address))
                            default: try pipeline.addHandler(Tunnel(proxy.value, listener: address).clientEnd)
                            }
                        }
                    }
                channels.append(try await bootstrap.bind(host: address.host, port: address.port).get())
            }
            return Listener(address: address, certificates: certificates, channels: channels)
        } catch {
            for channel in channels { try? await channel.close() }
            throw Listener.explained(error, address)
        }
    }

    /// Takes no more connections; those that are there go on.
    func close() async {
        for channel in channels { try? await channel.close() }
    }

    static func explained(_ error: any Error, _ address: ListenerAddress) -> OrchError {
        let code = (error as? IOError)?.errnoCode ?? (error as? SystemError)?.errno ?? 0
        switch code {
        case EADDRINUSE:
            let owner = ListeningPorts.owner(of: address.port).map { " by \($0)" } ?? ""
            return OrchError(
                .conflict,
                "the endpoint's port \(address.port) is taken\(owner): choose another 'endpoint.port', or 0 for a free one",
                cause: error)
        case EACCES:
            return OrchError(
                .notAllowed,
                "the agent may not listen at port \(address.port): choose one from 1024, or run it with CAP_NET_BIND_SERVICE",
                cause: error)
        case EADDRNOTAVAIL:
            return OrchError(
                .invalidRequest, "this machine has no address \(address.host): correct 'endpoint.address'", cause: error
            )
        default:
            return OrchError(.failed, "the endpoint \(address) cannot be opened: \(error)", cause: error)
        }
    }
}
