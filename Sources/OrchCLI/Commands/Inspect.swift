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
        let document = try await InstanceOrService.get(name, "", client, as: JSONValue.self)
        try invocation.console.show(document, name: name.rawValue) { [YAMLText.text(of: document)] }
        return 0
    }
}
