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
        Files.remove(socket)
        var doors: [any Service] = [
            application(.unixDomainSocket(path: socket), guarded: false) { _ in
                chmod(socket, 0o600)
                StandardStream.error.write("orch-agent: ready at \(socket)\n")
            }
        ]
        if let port = agent.settings.httpPort {
            let addressFile = AgentPaths.address(in: agent.settings.dataDirectory)
            doors.append(
                application(.hostname("127.0.0.1", port: port), guarded: true) { channel in
                    let address = "http://127.0.0.1:\(channel.localAddress?.port ?? port)"
                    try? Files.replace(addressFile, with: address + "\n")
                    StandardStream.error.write("orch-agent: ready at \(address)\n")
                })
        }
        return doors.map { .init(service: $0) }
    }

    private func application(
        _ address: BindAddress, guarded: Bool, onReady: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol & Service {
        let router = Router(context: APIContext.self)
        router.add(middleware: RequestRecorder(log: agent.requests, isLocal: !guarded))
        router.add(middleware: ErrorResponder())
        if guarded { router.add(middleware: AccessGuard(token: agent.token)) }
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

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }

    /// A module file may be a mebibyte, and a request holds a little more.
    var maxUploadSize: Int { 2 << 20 }
}
