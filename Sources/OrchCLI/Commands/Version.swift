import OrchModel

extension CommandSpec {
    static let version = CommandSpec(
        name: "version", summary: "Show the version", examples: ["orch version"]
    ) { invocation in
        try invocation.console.show(["version": OrchVersion.current], name: OrchVersion.current) {
            ["orch \(OrchVersion.current)"]
        }
        return 0
    }
}
