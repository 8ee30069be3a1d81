import Deployer
import FoundationEssentials
import LoadBalancer
import LoggingModule
import NIOHTTP1
package import OrchModel
import OrchModuleFile
import OrchStore
import OrchSystem
import RepositoryManager
import RequestManager
import Synchronization

/// What the web interface shows, from the rooms that know it.
extension Agent: ControlPlane {
    private static let patience = TimeSpan.seconds(2)
    /// Each takes a thread, or a connection to an engine.
    private static let usageAtOnce = 8

    package func instances() async -> [InstanceView] { await deployer.instances() }

    package func news() -> AsyncStream<Void> { events.news() }

    package func events(of module: ModuleName?, limit: Int) async throws -> [Event] {
        try await events(after: nil, module: module, limit: limit)
    }

    package func history(of name: ModuleName) async throws -> HistoryView { try await history(of: name, limit: 20) }

    /// - Parameter limit: of the deployments.
    func history(of name: ModuleName, limit: Int) async throws -> HistoryView {
        HistoryView(
            module: name, revisions: try await deployer.revisions(of: name),
            deployments: try await store.deployments(of: name, limit: limit))
    }

    package func deployment(_ id: DeploymentID) async throws -> DeploymentView {
        guard let deployment = try await deployer.deployment(id) else {
            throw OrchError(.notFound, "there is no deployment \(id)")
        }
        return deployment
    }

    package func requests(with words: String, before: Int64?, limit: Int) async throws -> [RequestRecord] {
        try await requests.latest(limit, with: words, before: before)
    }

    package func modules() async -> [ModuleView] { await repository.modules() }

    package func servers() async -> [String] { Servers.current(instances: []).map(\.name) }

    package func artifacts() async -> [ArtifactView] { await repository.artifactViews() }

    package func mistakes(in file: String) -> [FileMistake] {
        do {
            _ = try ModuleFile.parse(file, path: ModuleFile.fileName, baseDirectory: "/")
            return []
        } catch {
            return error.diagnostics.map { FileMistake(line: $0.line, column: $0.column, message: $0.message) }
        }
    }

    package func plan(_ request: DeployRequest) async throws -> PlanView {
        try await deployer.plan(repository.resolve(request))
    }

    package func documents() async -> [(name: String, text: String)] {
        let data = settings.dataDirectory
        return await runBlocking(name: "documents") {
            ViewWriter.names.compactMap { name in
                (try? Files.readText("\(data)/\(name)")).map { (name, $0) }
            }
        }
    }

    package func topics() async throws -> [TopicView] {
        var views: [TopicView] = []
        for (name, partitions) in try await logReader.topics() {
            guard let topic = TopicName(rawValue: name) else { continue }
            let records = try await logReader.recordCount(of: name, partitions: partitions)
            views.append(TopicView(name: topic, partitions: partitions, records: records))
        }
        return views.sorted { $0.name < $1.name }
    }

    package func lines(of topic: TopicName, tail: Int) async throws -> [LogLine] {
        var query = LogQuery(topics: [topic])
        query.tail = tail
        await shipper.settle([topic], patience: Self.patience)
        let found = Mutex<[LogLine]>([])
        try await read(query) { lines, _ in found.withLock { $0 += lines } }
        return found.withLock(\.self)
    }

    package func errorLines() async -> [InstanceID: Int64] { await shipper.errorLines }

    package func usage() async -> [UsageView] { await usage(of: nil) }

    /// - Parameter module: `nil` for all.
    func usage(of module: String?) async -> [UsageView] {
        let instances = await deployer.instances().filter { module == nil || $0.module.rawValue == module }
        var rest = instances.filter(\.state.isActive)[...]
        return await withTaskGroup(of: UsageView?.self) { group in
            func askNext() {
                guard let instance = rest.popFirst() else { return }
                group.addTask {
                    await runtime.usage(of: instance.id).map {
                        UsageView(
                            instance: instance.id, module: instance.module, runtime: instance.runtime, usage: $0,
                            at: .now())
                    }
                }
            }
            for _ in 0..<Self.usageAtOnce { askNext() }
            var views: [UsageView] = []
            for await view in group {
                if let view { views.append(view) }
                askNext()
            }
            return views.sorted { $0.instance < $1.instance }
        }
    }

    package func ask(_ module: ModuleName, _ path: String) async throws -> JSONValue {
        try await ask(module, .GET, path, body: nil)
    }
}
