import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let stats = CommandSpec(
        name: "stats", summary: "Show what instances use",
        discussion: "Processor time is measured over an interval, as percent of one core.",
        operands: [OperandSpec("SERVICE", optional: true, names: .modules, "Only the instances of this service.")],
        options: [
            OptionSpec("watch", "w", "Show it again and again, until it is interrupted."),
            OptionSpec("interval", nil, .duration, "SPAN", "How long to measure; 1s by default."),
        ],
        examples: ["orch stats", "orch stats shop --watch", "orch stats -o json"]
    ) { invocation in
        let client = try invocation.client()
        let query = try invocation.operands.first.map { [("module", try ModuleName(checking: $0).rawValue)] } ?? []
        let interval = max(try invocation.duration("interval") ?? .seconds(1), .milliseconds(100))
        let watches = try invocation.flag("watch")
        var before: [UsageView] = try await client.call("GET", "/v1/usage", query: query)
        repeat {
            try await Task.sleep(for: interval.duration)
            let now: [UsageView] = try await client.call("GET", "/v1/usage", query: query)
            if watches { invocation.console.clear() }
            try invocation.console.list(
                now.map { Consumption($0, since: before) }, Consumption.columns, name: { $0.instance.rawValue },
                empty: "no instance runs")
            before = now
        } while watches
        return 0
    }
}

/// What an instance uses, with the share of a core it had lately.
private struct Consumption: Encodable, Sendable {
    var instance: InstanceID
    var module: ModuleName
    /// Percent of one core.
    var cpu: Double
    var usage: ResourceUsage

    init(_ now: UsageView, since earlier: [UsageView]) {
        instance = now.instance
        module = now.module
        usage = now.usage
        cpu = 0
        if let before = earlier.first(where: { $0.instance == now.instance }), now.at > before.at {
            let spent = max(0, now.usage.processorSeconds - before.usage.processorSeconds)
            let tenths = (spent * 1e12 / Double((now.at - before.at).nanoseconds)).rounded()
            cpu = tenths / 10
        }
    }

    static let columns: [Column<Consumption>] = [
        Column("INSTANCE") { $0.instance.rawValue },
        Column("MODULE") { $0.module.rawValue },
        Column("CPU") { "\($0.cpu)%" },
        Column("MEMORY") { ByteSize(bytes: $0.usage.memory).description },
        Column("LIMIT") { $0.usage.memoryLimit > 0 ? ByteSize(bytes: $0.usage.memoryLimit).description : "-" },
        Column("PROCESSES") { String($0.usage.processes) },
        Column("CPU TIME", wide: true) { TimeSpan.milliseconds(Int64($0.usage.processorSeconds * 1000)).short },
    ]
}
