import OrchClient
import OrchModel

extension CommandSpec {
    static let port = CommandSpec(
        name: "port", summary: "Show where an instance or a service listens",
        discussion: "Of a service its own address and the ports of all its instances are shown.",
        operands: [OperandSpec("NAME", names: .instances, "An instance or a service.")],
        examples: ["orch port shop", "orch port shop-k3v9qd", "curl $(orch port shop -o name | head -1)"]
    ) { invocation in
        let name = invocation.operands[0]
        let client = try invocation.client()
        let all: [InstanceView] = try await client.call("GET", "/v1/instances")
        var places: [ListeningPlace] = []
        var instances = all.filter { $0.id.rawValue == name }
        if instances.isEmpty {
            let services: [ServiceView] = try await client.call("GET", "/v1/services")
            guard let service = services.first(where: { $0.name.rawValue == name }) else {
                throw OrchError(
                    .notFound,
                    "there is no service and no instance \(name): 'orch services' and 'orch instances' list them")
            }
            places = service.addresses.map { ListeningPlace(of: name, port: "service", address: $0) }
            instances = all.filter { $0.module == service.name }
        }
        for instance in instances where instance.state.isActive {
            for port in instance.ports.sorted(by: { $0.key < $1.key }) {
                places.append(
                    ListeningPlace(of: instance.id.rawValue, port: port.key, address: "127.0.0.1:\(port.value)"))
            }
        }
        try invocation.console.list(
            places,
            [Column("NAME") { $0.of }, Column("PORT") { $0.port }, Column("ADDRESS") { $0.address }],
            name: { $0.address }, empty: "\(name) listens nowhere")
        return 0
    }
}

private struct ListeningPlace: Encodable, Sendable {
    var of: String
    var port: String
    var address: String
}
