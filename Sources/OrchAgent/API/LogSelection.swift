import Deployer
import Hummingbird
import HummingbirdCore
import LoggingModule
import OrchModel

/// Which lines a request is about: its parameters, with the names looked up.
struct LogSelection {
    var query: LogQuery
    /// The services that were named, by themselves or by one of their instances or labels.
    var modules: Set<ModuleName> = []
    /// Only lines of modules were asked for, of no topic by its own name.
    var isOfModules = true

    /// How many lines before an exit are shown, unless a number is given.
    private static let linesBeforeExit = 50
    /// What an instance wrote last may carry a time a little behind its end.
    private static let exitSlack = TimeSpan.milliseconds(200)

    init(topic: TopicName) {
        query = LogQuery(topics: [topic])
        isOfModules = false
    }

    /// - Throws: `notFound` for a name that is not there, `invalidRequest` for a value that makes no sense.
    init(_ request: Request, of agent: Agent) async throws {
        let parameters = request.uri.queryParameters
        query = LogQuery(topics: [])
        query.tail = try request.number("tail")
        query.since = try request.time("since")
        query.until = try request.time("until")
        query.follow = request.flag("follow")
        query.context = try request.number("context") ?? 0
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
        query.fields = try parameters.getAll("field").map { text in
            let (key, value) = try Self.pair(String(text), "field")
            return LogQuery.Field(key: key, value: value)
        }
        if let text = parameters["position"] {
            guard let position = LogPosition(text) else {
                throw OrchError(.invalidRequest, "\(String(text).quotedOneLine) is no position in the logs")
            }
            query.position = position
        }
        try await select(parameters, of: agent)
    }

    private mutating func select(_ parameters: FlatDictionary<Substring, Substring>, of agent: Agent) async throws {
        var topics = Set(try parameters.getAll("topic").map { try TopicName(checking: $0) })
        isOfModules = topics.isEmpty
        for module in try parameters.getAll("module").map({ try ModuleName(checking: $0) }) {
            topics.insert(try await Self.topic(of: module, agent))
            modules.insert(module)
        }
        for text in parameters.getAll("label") {
            let (key, value) = try Self.pair(String(text), "label")
            let labelled = await agent.deployer.services.map(\.name)
            var isAny = false
            for name in labelled {
                guard let spec = await agent.deployer.spec(of: name), spec.labels[key] == value else { continue }
                topics.insert(spec.topic)
                modules.insert(name)
                isAny = true
            }
            if !isAny { throw OrchError(.notFound, "no service has the label \(key)=\(value)") }
        }
        for id in try parameters.getAll("instance").map({ try InstanceID(checking: $0) }) {
            query.instances.insert(id.rawValue)
            topics.insert(try await topic(of: id, agent))
        }
        if let text = parameters["before_exit"] {
            let id = try InstanceID(checking: String(text))
            query.instances.insert(id.rawValue)
            topics.insert(try await topic(of: id, agent))
            try await endBeforeExit(of: id, agent)
        }
        if topics.isEmpty {
            topics = Set(await agent.deployer.services.map(\.topic))
            modules = Set(await agent.deployer.services.map(\.name))
            if topics.isEmpty {
                throw OrchError(.notFound, "nothing is deployed: name a topic with --topic ('orch topics' lists them)")
            }
        }
        query.topics = topics.sorted()
        query.expectedTopics = Set(await agent.deployer.services.map(\.topic)).intersection(topics)
    }

    private mutating func endBeforeExit(of id: InstanceID, _ agent: Agent) async throws {
        if query.tail == nil { query.tail = Self.linesBeforeExit }
        // One that was removed has ended, and written nothing since.
        guard let view = await agent.deployer.instances().first(where: { $0.id == id }) else { return }
        guard let exit = view.exit else {
            throw OrchError(.invalidRequest, "the instance \(id) has not ended yet: 'orch logs \(id)' shows its lines")
        }
        query.until = exit.at + Self.exitSlack
    }

    private static func pair(_ text: String, _ what: String) throws(OrchError) -> (key: String, value: String) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw OrchError(.invalidRequest, "\(text.quotedOneLine) is no \(what): write KEY=VALUE")
        }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }

    private static func topic(of module: ModuleName, _ agent: Agent) async throws -> TopicName {
        if let spec = await agent.deployer.spec(of: module) { return spec.topic }
        // One that was removed has left its topic behind, which has its name unless it was given another.
        if try await agent.logReader.topics()[module.rawValue] != nil { return TopicName(unchecked: module.rawValue) }
        throw OrchError(
            .notFound,
            "there is no module \(module): 'orch services' lists what is deployed, 'orch topics' what has logs")
    }

    private mutating func topic(of instance: InstanceID, _ agent: Agent) async throws -> TopicName {
        if let view = await agent.deployer.instances().first(where: { $0.id == instance }) {
            modules.insert(view.module)
            return view.topic
        }
        // The id begins with the module's name.
        guard let dash = instance.rawValue.lastIndex(of: "-"),
            let module = ModuleName(rawValue: String(instance.rawValue[..<dash]))
        else {
            throw OrchError(.notFound, "there is no instance \(instance)")
        }
        modules.insert(module)
        return try await Self.topic(of: module, agent)
    }
}
