import OrchModel

/// Which service a request at one listener is for.
struct RouteTable: Sendable {
    struct Entry: Sendable {
        /// In lower case; empty for any, beginning with a dot for every name below it.
        let host: String
        /// Without a slash at its end.
        let path: [UInt8]
        let service: ModuleName
    }

    /// The most particular first: a whole name before a wildcard before any, then the longest path.
    let entries: [Entry]

    init(_ entrances: [(ModuleName, ServiceRoute.Entrance)]) {
        var entries: [Entry] = []
        for (service, entrance) in entrances {
            var path = entrance.spec.path
            while path.hasSuffix("/") { path.removeLast() }
            for host in Self.hosts(of: entrance.spec) {
                entries.append(Entry(host: host, path: Array(path.utf8), service: service))
            }
        }
        self.entries = entries.sorted { (Self.rank($0.host), $0.path.count) > (Self.rank($1.host), $1.path.count) }
    }

    /// The hosts that an endpoint claims, as the table holds them.
    static func hosts(of spec: EndpointSpec) -> [String] {
        guard !spec.hosts.isEmpty else { return [""] }
        return spec.hosts.map { $0.hasPrefix("*.") ? $0.dropFirst().lowercased() : $0.lowercased() }
    }

    private static func rank(_ host: String) -> Int { host.isEmpty ? 0 : host.hasPrefix(".") ? 1 : 2 }

    /// - Parameters:
    ///   - host: as the request names it, with or without a port.
    ///   - path: of the request, without a query.
    func service(host: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> ModuleName? {
        if entries.count == 1, entries[0].host.isEmpty, entries[0].path.isEmpty { return entries[0].service }
        let name = Self.withoutPort(host)
        return entries.first { Self.matches($0.host, name) && Self.matches($0.path, path) }?.service
    }

    private static func matches(_ expected: String, _ host: UnsafeRawBufferPointer) -> Bool {
        if expected.isEmpty { return true }
        let word = expected.utf8
        guard expected.hasPrefix(".") ? host.count > word.count : host.count == word.count else { return false }
        return zip(word.reversed(), host.reversed()).allSatisfy { $0 == HTTPSyntax.lowercased($1) }
    }

    /// `/shop` means itself and what lies below, not `/shopping`.
    private static func matches(_ prefix: [UInt8], _ path: UnsafeRawBufferPointer) -> Bool {
        guard path.count >= prefix.count, zip(prefix, path).allSatisfy({ $0 == $1 }) else { return false }
        return path.count == prefix.count || path[prefix.count] == UInt8(ascii: "/") || prefix.isEmpty
    }

    private static func withoutPort(_ host: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var end = host.count
        while end > 0, host[end - 1] &- 48 < 10 { end -= 1 }
        end = end > 0 && host[end - 1] == HTTPSyntax.colon ? end - 1 : host.count
        if end > 0, host[end - 1] == UInt8(ascii: ".") { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: host[0..<end])
    }
}
