import OrchClient
import OrchModel

extension CommandSpec {
    static let inspect = CommandSpec(
        name: "inspect", summary: "Show all there is to know of a service or an instance",
        discussion: "Prints YAML unless another format is asked for. Values of variables are not shown.",
        operands: [OperandSpec("NAME", names: .instances, "Name of a service, or id of an instance.")],
        examples: ["orch inspect shop", "orch inspect shop-k3v9qd -o json"]
    ) { invocation in
        let client = try invocation.client()
        let name = try InstanceID(checking: invocation.operands[0])
        let document = try await lookUp(name, client)
        try invocation.console.show(document, name: name.rawValue) { [YAMLText.text(of: document)] }
        return 0
    }

    private static func lookUp(_ name: InstanceID, _ client: AgentClient) async throws -> JSONValue {
        do throws(OrchError) {
            return try await client.call("GET", "/v1/instances/\(name)")
        } catch {
            guard error.code == .notFound else { throw error }
            do throws(OrchError) {
                return try await client.call("GET", "/v1/services/\(name)")
            } catch {
                guard error.code == .notFound else { throw error }
                throw OrchError(
                    .notFound,
                    "there is no service and no instance \(name): 'orch services' and 'orch instances' list them")
            }
        }
    }
}
