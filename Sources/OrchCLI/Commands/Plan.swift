import OrchClient
import OrchModel

extension CommandSpec {
    static let plan = CommandSpec(
        name: "plan", summary: "Show what a deploy would change, and change nothing",
        discussion: "Ends with 0 when there is nothing to change, with 1 when there is, with 2 or more after an error.",
        operands: [OperandSpec("MODULE", names: .modules, "Name, or path of a module file, as for deploy.")],
        options: ModuleOperand.options,
        examples: ["orch plan ./shop"]
    ) { invocation in
        let plan: PlanView
        do throws(OrchError) {
            plan = try await invocation.client().call("POST", "/v1/plan", body: ModuleOperand.request(invocation))
        } catch {
            invocation.console.error(error.message)
            return max(2, error.code.exitStatus)
        }
        let console = invocation.console
        try console.show(plan, name: plan.module.rawValue) {
            if plan.changes.isEmpty, plan.start == 0 { return ["\(plan.module): nothing to change"] }
            let changes = console.lines(of: plan.changes)
            let from = plan.fromRevision.map { "changes revision \($0)" } ?? "is new"
            return ["\(plan.module) \(from)"] + changes + ["\(plan.start) to start, \(plan.stop) to stop"] + plan.steps
                + ["to do just this: 'orch deploy' with the same words and --check-index \(plan.index)"]
        }
        return plan.changes.isEmpty && plan.start == 0 ? 0 : 1
    }
}
