import Deployer
import Hummingbird
import LoggingModule
import NIOCore
import OrchModel
import Synchronization

extension Routes {
    /// How long a query waits for lines that are on their way to the broker.
    private static let patience = TimeSpan.seconds(2)
    /// The same for the last lines of a workload that has ended.
    private static let lastPatience = TimeSpan.seconds(30)

    func addLogs(to v1: RouterGroup<APIContext>) {
        v1.get("topics") { _, _ in try JSONAnswer.response(try await agent.topics()) }
        v1.get("logs") { request, _ in try await logs(LogSelection(request, of: agent)) }
        v1.get("logs/export") { request, _ in
            try await export(LogSelection(request, of: agent), packed: request.flag("gzip"))
        }
        v1.get("logs/analysis") { request, _ in
            try JSONAnswer.response(try await analysis(request, LogSelection(request, of: agent)))
        }
    }

    /// Who has just done something wants to read of it. What is wrong with the query is said before anything is sent.
    private func prepare(_ query: LogQuery) async throws {
        await agent.shipper.settle(query.topics, patience: Self.patience)
        try await agent.logReader.check(query)
    }

    // MARK: Lines

    /// Streams lines as they are found.
    func logs(_ selection: LogSelection) async throws -> Response {
        var query = selection.query
        try await prepare(query)
        let jobs = query.follow && selection.isOfModules ? await onlyJobs(selection.modules) : []
        if !jobs.isEmpty {
            query.whenOver = { [agent, topics = query.topics] in
                await agent.waitForEnd(of: jobs)
                await agent.shipper.settle(topics, patience: Self.lastPatience)
            }
        }
        return EventStream.response { [query] emit in
            try await agent.read(query) { lines, position in
                if !lines.isEmpty { try await emit(.lines(lines)) }
                if let position { try await emit(.position(position)) }
            }
            if !jobs.isEmpty { try await emit(.exit(await agent.exitStatus(of: jobs))) }
            try await emit(.end)
        }
    }

    /// The modules when all of them run to an end by themselves; otherwise none.
    private func onlyJobs(_ modules: Set<ModuleName>) async -> Set<ModuleName> {
        for module in modules {
            guard let spec = await agent.deployer.spec(of: module), spec.isJob else { return [] }
        }
        return modules
    }

    // MARK: Export

    /// All lines as JSON, one a line.
    private func export(_ selection: LogSelection, packed: Bool) async throws -> Response {
        var query = selection.query
        query.follow = false
        try await prepare(query)
        let type = packed ? "application/gzip" : "application/x-ndjson"
        return StreamedAnswer.response(type: type) { [query, agent] send in
            let packer = packed ? GzipWriter() : nil
            try await agent.read(query) { lines, _ in
                var buffer = ByteBuffer()
                for line in lines {
                    LogLineJSON.write(line, into: &buffer)
                    buffer.writeInteger(UInt8(ascii: "\n"))
                }
                if let packer { buffer = ByteBuffer(bytes: packer.add(Array(buffer.readableBytesView))) }
                if buffer.readableBytes > 0 { try await send(buffer) }
            }
            if let packer { try await send(ByteBuffer(bytes: packer.finish())) }
        }
    }

    // MARK: Analysis

    /// The only module whose lines are selected, by its own name or that of its topic.
    private func onlyModule(of selection: LogSelection) async -> ModuleName? {
        if selection.modules.count == 1 { return selection.modules.first }
        guard selection.modules.isEmpty, selection.query.topics.count == 1 else { return nil }
        let modules = await agent.deployer.services.filter { $0.topic == selection.query.topics[0] }
        return modules.count == 1 ? modules[0].name : nil
    }

    private func analysis(_ request: Request, _ selection: LogSelection) async throws -> LogAnalysisView {
        var query = selection.query
        query.follow = false
        try await prepare(query)
        var bounds = LogAnalysis.Bounds()
        if let patterns = try request.number("patterns") { bounds.patterns = patterns }
        if let buckets = try request.number("buckets"), (1...600).contains(buckets) { bounds.buckets = buckets }
        var deployedAt = try request.time("new_since")
        if deployedAt == nil, let module = await onlyModule(of: selection) {
            deployedAt = try? await agent.deployer.revisions(of: module).first(where: \.isTarget)?.deployedAt
        }
        let analysis = Mutex(LogAnalysis(bounds, deployedAt: deployedAt))
        try await agent.read(query) { lines, _ in
            analysis.withLock { analysis in for line in lines { analysis.add(line) } }
        }
        return analysis.withLock(\.view)
    }
}
