import Deployer
import Hummingbird
import LoggingModule
import OrchKafka
import OrchModel

extension Routes {
    /// How long a query waits for lines that are on their way to the broker.
    private static let patience = TimeSpan.seconds(2)

    func addLogs(to v1: RouterGroup<APIContext>) {
        v1.get("topics") { _, _ in try JSONAnswer.response(try await topics()) }
        v1.get("logs") { request, _ in try await logs(logQuery(request)) }
    }

    private func topics() async throws -> [TopicView] {
        var views: [TopicView] = []
        for (name, partitions) in try await agent.admin.topics() {
            guard let topic = TopicName(rawValue: name) else { continue }
            var records: Int64 = 0
            for partition in 0..<Int32(partitions) {
                let bounds = try await agent.admin.bounds(of: name, partition: partition)
                records += bounds.end - bounds.start
            }
            views.append(TopicView(name: topic, partitions: partitions, records: records))
        }
        return views.sorted { $0.name < $1.name }
    }

    /// Streams lines as they are found. What can be wrong with the query is said before the stream begins.
    func logs(_ query: LogQuery) async throws -> Response {
        // Who has just done something wants to read of it.
        await agent.shipper.settle(query.topics, patience: Self.patience)
        try await agent.logReader.check(query)
        return EventStream.response { emit in
            try await agent.logReader.read(query) { lines in try await emit(.lines(lines)) }
            try await emit(.end)
        }
    }

    private func logQuery(_ request: Request) async throws -> LogQuery {
        let parameters = request.uri.queryParameters
        var topics = try parameters.getAll("topic").map { try TopicName(checking: $0) }
        var instances: Set<String> = []
        for module in try parameters.getAll("module").map({ try ModuleName(checking: $0) }) {
            topics.append(try await topic(of: module))
        }
        for id in try parameters.getAll("instance").map({ try InstanceID(checking: $0) }) {
            instances.insert(id.rawValue)
            topics.append(try await topic(of: id))
        }
        if topics.isEmpty {
            topics = await agent.deployer.services.map(\.topic)
            if topics.isEmpty {
                throw OrchError(.notFound, "nothing is deployed: name a topic with --topic ('orch topics' lists them)")
            }
        }
        var query = LogQuery(topics: Array(Set(topics)).sorted())
        query.instances = instances
        query.tail = try request.number("tail")
        query.since = try request.time("since")
        query.until = try request.time("until")
        query.follow = request.flag("follow")
        query.pattern = parameters["grep"].map(String.init)
        if let word = parameters["level"] {
            guard let level = LogLevel(word: word) else {
                throw OrchError(
                    .invalidRequest,
                    "\(String(word).quotedOneLine) is no level: use trace, debug, info, notice, warning, error or critical"
                )
            }
            query.level = level
        }
        return query
    }

    private func topic(of module: ModuleName) async throws -> TopicName {
        if let spec = await agent.deployer.spec(of: module) { return spec.topic }
        // One that was removed has left its topic behind, which has its name unless it was given another.
        if try await agent.admin.topics()[module.rawValue] != nil { return TopicName(unchecked: module.rawValue) }
        throw OrchError(
            .notFound,
            "there is no module \(module): 'orch services' lists what is deployed, 'orch topics' what has logs")
    }

    private func topic(of instance: InstanceID) async throws -> TopicName {
        if let view = await agent.deployer.instances().first(where: { $0.id == instance }) { return view.topic }
        // The id begins with the module's name.
        guard let dash = instance.rawValue.lastIndex(of: "-"),
            let module = ModuleName(rawValue: String(instance.rawValue[..<dash]))
        else {
            throw OrchError(.notFound, "there is no instance \(instance)")
        }
        return try await topic(of: module)
    }
}
