import OrchModel

/// Finds services that want the same address.
enum EndpointClaims {
    /// - Throws: `conflict` that names both services.
    static func check(_ entrance: ServiceRoute.Entrance, of service: ModuleName, against routes: [ServiceRoute])
        throws(OrchError)
    {
        for route in routes where route.service != service {
            for other in route.entrances where other.port == entrance.port && overlap(other.spec, entrance.spec) {
                guard other.mode == .http, entrance.mode == .http else {
                    throw OrchError(
                        .conflict,
                        "port \(entrance.port) belongs to \(route.service), and only http services can share one: choose another 'endpoint.port' for \(service)"
                    )
                }
                guard other.spec.tls.isWanted == entrance.spec.tls.isWanted, other.spec.address == entrance.spec.address
                else {
                    throw OrchError(
                        .conflict,
                        "\(service) and \(route.service) share port \(entrance.port): both need TLS or neither, and the same 'endpoint.address'"
                    )
                }
                let common = Set(RouteTable.hosts(of: other.spec)).intersection(RouteTable.hosts(of: entrance.spec))
                guard let host = common.first, normal(other.spec.path) == normal(entrance.spec.path) else { continue }
                let name = host.isEmpty ? "any host" : host.hasPrefix(".") ? "*\(host)" : host
                throw OrchError(
                    .conflict,
                    "\(service) and \(route.service) both claim \(name) with the path \(entrance.spec.path) at port \(entrance.port): change 'endpoint.hosts', 'endpoint.path' or 'endpoint.port' of one"
                )
            }
        }
    }

    private static func overlap(_ one: EndpointSpec, _ other: EndpointSpec) -> Bool {
        one.address == other.address || one.address == "0.0.0.0" || other.address == "0.0.0.0"
    }

    private static func normal(_ path: String) -> Substring {
        var path = path[...]
        while path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
