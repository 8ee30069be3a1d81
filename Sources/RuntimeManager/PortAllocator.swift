import OrchModel
import OrchSystem
import Synchronization

/// Hands out ports of loopback that are free now and that no other instance of ours holds, whatever it runs on.
package final class PortAllocator: Sendable {
    private let table = Mutex(PortTable())

    package init() {}

    /// The ports of an instance. One that it has already stays where it can.
    ///
    /// - Throws: `conflict` when a fixed port is taken or none is free.
    func allocate(_ ports: [PortSpec], for id: InstanceID, having known: [String: Int]) throws(OrchError)
        -> [String: Int]
    {
        try table.withLock { (table) throws(OrchError) in try table.allocate(ports, for: id, having: known) }
    }

    func hold(_ ports: [String: Int], for id: InstanceID) { table.withLock { $0.hold(ports, for: id) } }

    func release(_ id: InstanceID) { table.withLock { $0.release(id) } }
}

private struct PortTable {
    /// Below the range that Linux takes for outgoing connections (32768 to 60999), so that none takes one away meanwhile.
    private static let range = 20_000...32_000

    private var held: [Int: InstanceID] = [:]
    private var next = Int.random(in: range)

    mutating func allocate(_ ports: [PortSpec], for id: InstanceID, having known: [String: Int]) throws(OrchError)
        -> [String: Int]
    {
        var result: [String: Int] = [:]
        do throws(OrchError) {
            for port in ports {
                result[port.name] =
                    port.port != 0 ? try fixed(port, for: id) : try free(id, preferred: known[port.name])
            }
        } catch {
            release(id)
            throw error
        }
        return result
    }

    mutating func hold(_ ports: [String: Int], for id: InstanceID) {
        for port in ports.values { held[port] = id }
    }

    mutating func release(_ id: InstanceID) {
        held = held.filter { $0.value != id }
    }

    private mutating func fixed(_ port: PortSpec, for id: InstanceID) throws(OrchError) -> Int {
        if let holder = held[port.port], holder != id {
            throw OrchError(
                .conflict, "port \(port.port) is held by instance \(holder): use another, or 'port: 0' for a free one")
        }
        guard Sockets.isFree(port: port.port) else {
            throw OrchError(
                .conflict,
                "port \(port.port) is taken by another program: stop it ('ss -ltnp' shows it), or use 'port: 0' for a free one"
            )
        }
        held[port.port] = id
        return port.port
    }

    private mutating func free(_ id: InstanceID, preferred: Int?) throws(OrchError) -> Int {
        if let preferred, held[preferred] ?? id == id, Sockets.isFree(port: preferred) {
            held[preferred] = id
            return preferred
        }
        for _ in Self.range {
            next = next >= Self.range.upperBound ? Self.range.lowerBound : next + 1
            if held[next] == nil, Sockets.isFree(port: next) {
                held[next] = id
                return next
            }
        }
        throw OrchError(.conflict, "no port from \(Self.range.lowerBound) to \(Self.range.upperBound) is free")
    }
}
