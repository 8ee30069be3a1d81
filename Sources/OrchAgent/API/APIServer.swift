import Glibc
import Hummingbird
import Logging
import NIOCore
import OrchModel
import OrchSystem
import ServiceLifecycle

/// The doors of the API: a Unix socket for whoever owns the data directory, and a port of loopback with a token.
struct APIServer {
    let agent: Agent
    let logger: Logger

    func services() async throws -> [ServiceGroupConfiguration.ServiceConfiguration] {
        let socket = agent.settings.socket
        // Left over from an agent that was killed; the lock says that there is none now.
        let doorSocket = "\(AgentPaths.door(in: agent.settings.dataDirectory))/\(AgentPaths.doorSocket)"
        for path in [socket, doorSocket] { Files.remove(path) }
        var doors: [any Service] = [
            application(.unixDomainSocket(path: doorSocket), .instances) { _ in
                // Whoever is let in shows a token; containers run as users that are unknown here.
                chmod(doorSocket, 0o666)
            },
            application(.unixDomainSocket(path: socket), .owner) { _ in
                chmod(socket, 0o600)
                StandardStream.error.write("orch-agent: ready at \(socket)\n")
            },
        ]
        if let port = agent.settings.httpPort {
            let addressFile = AgentPaths.address(in: agent.settings.dataDirectory)
            doors.append(
                application(.hostname("127.0.0.1", port: port), .tokenBearers) { channel in
                    let address = "http://127.0.0.1:\(channel.localAddress?.port ?? port)"
                    try? Files.replace(addressFile, with: address + "\n")
                    StandardStream.error.write("orch-agent: ready at \(address)\n")
                })
        }
        return doors.map { .init(service: $0) }
    }

    /// Who may come in.
    private enum Door { case owner, tokenBearers, instances }

    private func application(
        _ address: BindAddress, _ door: Door, onReady: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol & Service {
        let router = Router(context: APIContext.self)
        router.add(middleware: RequestRecorder(log: agent.requests, isLocal: door != .tokenBearers))
        router.add(middleware: ErrorResponder())
        switch door {
        case .owner: break
        case .tokenBearers: router.add(middleware: AccessGuard(token: agent.token))
        case .instances: router.add(middleware: InstanceGuard(agent: agent))
        }
        Routes(agent: agent).add(to: router)
        return Application(
            router: router, configuration: .init(address: address, serverName: "orch/\(OrchVersion.current)"),
            onServerRunning: onReady, logger: logger)
    }
}

/// What a request carries along.
struct APIContext: RequestContext, RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: SocketAddress?
    /// The instance that asks; `nil` for whoever owns the agent.
    var instance: InstanceID?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }

    /// A module file may be a mebibyte, and a request holds a little more.
    var maxUploadSize: Int { 2 << 20 }
}
