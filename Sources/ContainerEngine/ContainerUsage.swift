package import OrchModel

extension EngineClient {
    /// What a container uses now.
    ///
    /// - Throws: `notFound` when there is none.
    package func usage(of container: String) async throws(OrchError) -> ResourceUsage {
        struct Document: Decodable {
            struct Processor: Decodable {
                struct Usage: Decodable { var total_usage: Int64? }
                var cpu_usage: Usage?
            }
            struct Memory: Decodable {
                var usage: Int64?
                var limit: Int64?
                var stats: [String: JSONValue]?
            }
            struct Processes: Decodable { var current: Int? }
            var cpu_stats: Processor?
            var memory_stats: Memory?
            var pids_stats: Processes?
        }
        let document: Document = try await get(
            "/containers/\(Self.escaped(container))/stats", query: [("stream", "false"), ("one-shot", "true")])
        let memory = document.memory_stats
        // Of cached files the engine's own tool takes off what is not in use: with version 1 of control groups the one, with 2
        // the other.
        let cached = ["total_inactive_file", "inactive_file"].lazy.compactMap { memory?.stats?[$0] }.first
        var idle: Int64 = 0
        if case .integer(let bytes)? = cached { idle = bytes }
        return ResourceUsage(
            processorSeconds: Double(document.cpu_stats?.cpu_usage?.total_usage ?? 0) / 1e9,
            memory: max(0, (memory?.usage ?? 0) - idle), memoryLimit: memory?.limit ?? 0,
            processes: document.pids_stats?.current ?? 0)
    }
}
