import FoundationEssentials
package import OrchModel

/// What a deploy would change, key by key.
package enum Plan {
    /// Values of variables and configuration files may be secret: only that they change is shown.
    private static let hiddenValue = "(hidden)"

    package static func compare(_ current: ModuleSpec?, with next: ModuleSpec) throws -> [PlanView.Change] {
        let before = try current.map(leaves) ?? [:]
        let after = try leaves(of: next)
        return Set(before.keys).union(after.keys).sorted().compactMap { key in
            guard before[key] != after[key] else { return nil }
            let isHidden = key.hasPrefix("env.") || key.hasPrefix("files[") && key.hasSuffix(".content")
            return PlanView.Change(
                key: key, from: before[key].map { isHidden ? hiddenValue : $0 },
                to: after[key].map { isHidden ? hiddenValue : $0 })
        }
    }

    private static func leaves(of spec: ModuleSpec) throws -> [String: String] {
        let json = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(spec))
        var leaves: [String: String] = [:]
        collect(json, "", into: &leaves)
        return leaves
    }

    private static func collect(_ value: JSONValue, _ path: String, into leaves: inout [String: String]) {
        switch value {
        case .object(let members):
            for (name, member) in members { collect(member, path.isEmpty ? name : "\(path).\(name)", into: &leaves) }
        case .array(let elements):
            for (index, element) in elements.enumerated() { collect(element, "\(path)[\(index)]", into: &leaves) }
        case .string(let text): if !text.isEmpty { leaves[path] = text }
        case .integer(let number): leaves[path] = String(number)
        case .number(let number): leaves[path] = String(number)
        case .bool(let flag): leaves[path] = String(flag)
        case .null: break
        }
    }
}
