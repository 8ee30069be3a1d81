import OrchClient
import OrchModel

extension CommandSpec {
    static let diff = CommandSpec(
        name: "diff", summary: "Show what differs between two revisions of a service",
        discussion:
            "By default between the revision that runs and the one before it. Values of variables are not shown. "
            + "Ends with 0 when nothing differs, with 1 when something does, with 2 or more after an error.",
        operands: [
            OperandSpec("SERVICE", names: .modules, "Name of a service."),
            OperandSpec("FROM", optional: true, "Number of the older revision."),
            OperandSpec("TO", optional: true, "Number of the newer revision."),
        ],
        examples: ["orch diff shop", "orch diff shop 3 5"]
    ) { invocation in
        let console = invocation.console
        let plan: PlanView
        do throws(OrchError) {
            let name = try ModuleName(checking: invocation.operands[0])
            var query: [(String, String)] = []
            for (key, text) in zip(["from", "to"], invocation.operands.dropFirst()) {
                guard Int(text) != nil else {
                    throw OrchError(.invalidRequest, "\(text.quotedOneLine) is no number of a revision")
                }
                query.append((key, text))
            }
            plan = try await invocation.client().call("GET", "/v1/services/\(name)/diff", query: query)
        } catch {
            console.error(error.message)
            return max(2, error.code.exitStatus)
        }
        try console.show(plan, name: plan.module.rawValue) {
            let title = "\(plan.module) revision \(plan.fromRevision ?? 0) -> \(plan.index)"
            return plan.changes.isEmpty ? ["\(title): the same"] : [title] + console.lines(of: plan.changes)
        }
        return plan.changes.isEmpty ? 0 : 1
    }
}
