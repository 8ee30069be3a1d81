import OrchClient
import OrchModel

extension CommandSpec {
    static let topics = CommandSpec(
        name: "topics", summary: "List the Kafka topics that hold logs", examples: ["orch topics"]
    ) { invocation in
        let rows: [TopicView] = try await invocation.client().call("GET", "/v1/topics")
        let columns: [Column<TopicView>] = [
            Column("TOPIC") { $0.name.rawValue },
            Column("PARTITIONS") { String($0.partitions) },
            Column("RECORDS") { String($0.records) },
        ]
        try invocation.console.list(rows, columns, name: { $0.name.rawValue }, empty: "no topics")
        return 0
    }
}
