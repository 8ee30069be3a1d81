package import OrchModel

extension EngineClient {
    /// What a container uses now.
    ///
    /// - Throws: `notFound` when there is none.
    package func usage(of container: String) async throws(OrchError) -> ResourceUsage {
        let document: JSONValue = try await get(
            "/containers/\(container.percentEncoded)/stats", query: [("stream", "false"), ("one-shot", "true")])
        func number(_ path: String...) -> Int64? {
            guard case .integer(let number)? = path.reduce(document, { $0?[$1] }) else { return nil }
            return number
        }
        // Of cached files what is not in use is taken off, as the engine's own tool does; its name differs between the
        // versions of control groups.
        let idle =
            number("memory_stats", "stats", "total_inactive_file") ?? number("memory_stats", "stats", "inactive_file")
        return ResourceUsage(
            processorSeconds: Double(number("cpu_stats", "cpu_usage", "total_usage") ?? 0) / 1e9,
            memory: max(0, (number("memory_stats", "usage") ?? 0) - (idle ?? 0)),
            memoryLimit: number("memory_stats", "limit") ?? 0,
            processes: Int(number("pids_stats", "current") ?? 0))
    }
}
