import Glibc
import Hummingbird
import Logging
import NIOCore
import OrchModel
import OrchSystem
import RequestManager
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
        let pages = try WebPages(plane: agent, activity: agent.activity)
        let doors: [any Service] = [
            application(.unixDomainSocket(path: doorSocket), .instances) { _ in
                // Whoever is let in shows a token; containers run as users that are unknown here.
                chmod(doorSocket, 0o666)
            },
            application(.unixDomainSocket(path: socket), .owner) { _ in
                chmod(socket, 0o600)
                StandardStream.error.write("orch-agent: ready at \(socket)\n")
            },
            BackgroundService {
                try await agent.webDoor.run { port, ready in
                    try await application(.hostname("127.0.0.1", port: port), .tokenBearers(pages)) { channel in
                        ready(channel.localAddress?.port ?? port)
                    }.run()
                }
            },
        ]
        return doors.map { .init(service: $0) }
    }

    /// Who may come in.
    private enum Door {
        case owner, instances
        case tokenBearers(WebPages)
    }

    private func application(
        _ address: BindAddress, _ door: Door, onReady: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol & Service {
        let router = Router(context: APIContext.self)
        switch door {
        case .owner:
            router.add(middleware: RequestRecorder(log: agent.requests, isLocal: true) { _ in "owner" })
            router.add(middleware: ErrorResponder())
        case .instances:
            router.add(
                middleware: RequestRecorder(log: agent.requests, isLocal: true) { [tokens = agent.instanceTokens] in
                    ($0.headers[.authorization]?.dropFirst(7)).flatMap { tokens.instance(of: $0) }?.rawValue
                })
            router.add(middleware: ErrorResponder())
            router.add(middleware: InstanceGuard(agent: agent))
        case .tokenBearers(let pages):
            router.add(middleware: PageHeaders())
            router.add(
                middleware: RequestRecorder(log: agent.requests, isLocal: false) { [sessions = agent.sessions] in
                    if $0.headers[.authorization] != nil { return "token" }
                    return sessions.session(in: $0.headers[.cookie], at: .now()) == nil ? nil : "browser"
                })
            router.add(middleware: ErrorResponder())
            router.add(middleware: AccessGuard(token: agent.token, sessions: agent.sessions))
            router.add(middleware: WebErrors(pages: pages))
            WebRoutes(agent: agent, pages: pages).add(to: router)
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
    /// The browser that asks.
    var session: Sessions.Session?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }

    /// A module file may be a mebibyte, and a request holds a little more.
    var maxUploadSize: Int { 2 << 20 }
}
