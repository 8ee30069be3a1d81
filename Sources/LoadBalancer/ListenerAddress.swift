import OrchModel

/// What tells one listening socket from another.
struct ListenerAddress: Hashable, Sendable, CustomStringConvertible {
    let host: String
    let port: Int
    let mode: EndpointSpec.Mode
    let isTLS: Bool

    init(_ entrance: ServiceRoute.Entrance) {
        host = entrance.spec.address
        port = entrance.port
        mode = entrance.mode
        isTLS = entrance.spec.tls.isWanted
    }

    var description: String { "\(host):\(port)" }
}
