package import OrchModel

/// The document `Runtime/module_name_id_map.json`: which instances each module has.
package enum RuntimeDocument {
    package struct Entry: Codable, Sendable {
        var id: InstanceID
        var state: InstanceState
        var pid: Int32?
        var ports: [String: Int]
    }

    package static func make(_ instances: [InstanceView]) -> [String: [Entry]] {
        Dictionary(grouping: instances, by: \.module.rawValue).mapValues { instances in
            instances.map { Entry(id: $0.id, state: $0.state, pid: $0.pid, ports: $0.ports) }
        }
    }
}
