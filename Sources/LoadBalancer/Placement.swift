package import OrchModel

/// Chooses a server for an instance: first those that can take it, then the one that suits best.
package enum Placement {
    /// - Parameters:
    ///   - instances: those that run, on all servers.
    /// - Returns: the server's name and the reason for it.
    /// - Throws: `conflict` when no server can take it, with what each lacks.
    package static func choose(for spec: ModuleSpec, among servers: [Server], beside instances: [InstanceView])
        throws(OrchError) -> (server: String, reason: String)
    {
        var obstacles: [String] = []
        let able = servers.filter { server in
            let obstacle = obstacle(for: spec, at: server)
            if let obstacle { obstacles.append("\(server.name) \(obstacle)") }
            return obstacle == nil
        }
        guard !able.isEmpty else {
            throw OrchError(.conflict, "no server can take \(spec.name): \(obstacles.joined(separator: "; "))")
        }
        let ranked = able.map { Candidate($0, spec, instances) }.sorted { $0.rank(spec) < $1.rank(spec) }
        return (ranked[0].server.name, ranked[0].reason(spec, of: servers.count))
    }

    private static func obstacle(for spec: ModuleSpec, at server: Server) -> String? {
        if !spec.placement.servers.isEmpty, !spec.placement.servers.contains(server.name) {
            return "is not in 'placement.servers'"
        }
        if spec.limits.memory.bytes > server.memory.bytes {
            return "has \(server.memory) of memory, 'limits.memory' is \(spec.limits.memory)"
        }
        if spec.limits.cpu > Double(server.cpus) {
            return "has \(server.cpus) cores, 'limits.cpu' is \(spec.limits.cpu)"
        }
        return nil
    }

    private struct Candidate {
        let server: Server
        let ofModule: Int
        let near: Int

        init(_ server: Server, _ spec: ModuleSpec, _ instances: [InstanceView]) {
            self.server = server
            // Those that are about to start count too: they are put somewhere several at a time.
            let here = instances.filter { $0.server == server.name && ($0.state.isActive || $0.state == .pending) }
            ofModule = here.count { $0.module == spec.name }
            near = here.count { spec.placement.near.contains($0.module) }
        }

        /// Free memory for each core and each instance that shares it.
        private var room: Double {
            Double(server.freeMemory.bytes) * Double(max(1, server.cpus)) / Double(server.instances + 1)
        }

        func rank(_ spec: ModuleSpec) -> (Int, Int, Double, String) {
            let spread = spec.placement.spread == .instances ? ofModule : 0
            return (near > 0 ? 0 : 1, spread, -room, server.name)
        }

        func reason(_ spec: ModuleSpec, of count: Int) -> String {
            let facts = "\(server.freeMemory) were free, \(server.cpus) cores, \(server.instances) up"
            if count == 1 { return "the only server: \(facts)" }
            if near > 0 {
                return "shares it with \(spec.placement.near.map(\.rawValue).joined(separator: ", ")): \(facts)"
            }
            let why = spec.placement.spread == .instances ? "has \(ofModule) of \(spec.name)" : "has the most room"
            return "\(why): \(facts)"
        }
    }
}
