import OrchModel

extension CommandSpec {
    /// Prints a page of the manual; the files in `man` are made by it.
    static let manual = CommandSpec(
        name: "__manual", summary: "Print a page of the manual",
        operands: [OperandSpec("PAGE", "orch.1, orch-agent.8, orch-module.5 or module.schema.json.")], isHidden: true
    ) { invocation in
        let page = invocation.operands[0]
        guard let text = try ManualPages.page(page) else {
            throw OrchError(.notFound, "there is no page \(page.quotedOneLine)")
        }
        try invocation.console.print(text)
        return 0
    }
}
