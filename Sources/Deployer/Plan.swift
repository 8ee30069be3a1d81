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

    /// How a version would replace what there is, in words.
    package static func steps(_ current: ModuleSpec?, _ next: ModuleSpec) -> [String] {
        guard current != nil else { return ["\(next.replicas) started; done when all are healthy"] }
        let monitor = "the first must hold for \(next.update.monitor)"
        let checks =
            next.health.type == .none || next.update.monitorChecks == 0
            ? monitor : "\(monitor) or \(next.update.monitorChecks) passed checks"
        let failure =
            next.update.onFailure == .rollback
            ? "otherwise all goes back to the version before" : "otherwise it stops there"
        if let obstacle = next.sideBySideObstacle {
            let count = next.update.strategy == .recreate ? "all old ones" : "\(next.unavailable) old at a time"
            return ["stops \(count) before new ones start, because \(obstacle)", checks, failure]
        }
        let way =
            switch next.update.strategy {
            case .rolling, .recreate: "rolling: \(next.surge) new at a time beside the old ones"
            case .blueGreen: "blue-green: \(next.replicas) new beside the old ones, then all requests switch at once"
            case .canary:
                "canary: \(next.update.canary) % of the requests for the new version until 'orch promote \(next.name)'"
            }
        return [way, checks, failure]
    }

    private static func leaves(of spec: ModuleSpec) throws -> [String: String] {
        let json = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(spec))
        var leaves: [String: String] = [:]
        collect(json, "", into: &leaves)
        return leaves
    }

    /// What people call an element of a list, such as a port or a file.
    private static func name(of element: JSONValue) -> String? {
        guard case .object(let members) = element, case .string(let name)? = members["name"] ?? members["path"] else {
            return nil
        }
        return name
    }

    private static func collect(_ value: JSONValue, _ path: String, into leaves: inout [String: String]) {
        switch value {
        case .object(let members):
            for (name, member) in members { collect(member, path.isEmpty ? name : "\(path).\(name)", into: &leaves) }
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                collect(element, "\(path)[\(name(of: element) ?? String(index))]", into: &leaves)
            }
        case .string(let text): if !text.isEmpty { leaves[path] = text }
        case .integer(let number): leaves[path] = String(number)
        case .number(let number): leaves[path] = String(number)
        case .bool(let flag): leaves[path] = String(flag)
        case .null: break
        }
    }
}
