/// The stable address of a service, which the load balancer answers at for all its instances.
package struct EndpointSpec: Codable, Hashable, Sendable {
    package enum Mode: String, Codable, Sendable, CaseIterable { case auto, http, tcp, none }

    package var mode: Mode
    /// 1 to 65535, or 0 for a free one, which the service then keeps.
    package var port: Int
    /// The address of this machine to listen at.
    package var address: String
    /// For http: the names in the `Host` field that are meant; none for any.
    package var hosts: [String]
    /// For http: what the path must begin with, at a `/`.
    package var path: String
    /// Name of the instances' port; empty for the first.
    package var target: String
    package var tls: TLSSpec
    /// How long an instance that is to end may go on with what it has begun.
    package var drain: TimeSpan
    /// How long a request waits for an instance when there is none.
    package var hold: TimeSpan
    /// How long an instance may take to begin its answer.
    package var timeout: TimeSpan
    /// The time over which a new instance gets its full share.
    package var slowStart: TimeSpan
    /// The most lines a second in the access log; what is left out is counted there.
    package var accessLog: Int

    package enum CodingKeys: String, CodingKey {
        case mode, port, address, hosts, path, target, tls, drain, hold, timeout
        case slowStart = "slow_start"
        case accessLog = "access_log"
    }
}

/// PEM files, absolute or relative to the module file; both empty for none.
package struct TLSSpec: Codable, Hashable, Sendable {
    package var certificate: String
    package var key: String

    package var isWanted: Bool { !certificate.isEmpty }
}

extension ModuleSpec {
    /// The instances' port that the endpoint stands for.
    package var endpointTarget: PortSpec? {
        endpoint.target.isEmpty ? ports.first : ports.first { $0.name == endpoint.target }
    }

    /// What the endpoint speaks. Never `auto`: without a word of its own, what the health check asks decides, then the
    /// name of the port.
    package var endpointMode: EndpointSpec.Mode {
        guard let target = endpointTarget else { return .none }
        guard endpoint.mode == .auto else { return endpoint.mode }
        switch health.type {
        case .http: return .http
        case .tcp: return .tcp
        case .none, .exec, .image: return target.name == "http" ? .http : .tcp
        }
    }
}
