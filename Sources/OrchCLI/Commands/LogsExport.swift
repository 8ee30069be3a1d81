import NIOCore
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let logsExport = CommandSpec(
        name: "logs export", summary: "Write log lines as JSON into a file",
        discussion: "Each line of the file is a JSON object, as with 'orch logs -o jsonl'.",
        operands: [LogSelection.operand],
        options: LogSelection.options + [
            OptionSpec("file", nil, .file, "FILE", "Where to write; standard output by default."),
            OptionSpec("gzip", "z", "Pack it with gzip; so is a FILE that ends in .gz."),
        ],
        examples: [
            "orch logs export shop --since 24h --file shop.jsonl.gz", "orch logs export --topic Events | jq .line",
        ]
    ) { invocation in
        let client = try invocation.client()
        var query = try await LogSelection.query(invocation, client)
        let path = try invocation.text("file")
        if try invocation.flag("gzip") || path?.hasSuffix(".gz") ?? false { query.append(("gzip", "true")) }
        guard let path else {
            try await client.download("/v1/logs/export", query: query) { bytes in
                try invocation.console.write(Array(bytes.readableBytesView))
            }
            return 0
        }
        let target = Files.resolve(path, in: invocation.directory)
        do {
            try await download(query, to: target + ".part", client)
            try Files.rename("\(target).part", to: target)
        } catch let error as SystemError {
            throw OrchError(.failed, "\(target) cannot be written: \(error.reason)", cause: error)
        }
        invocation.console.note("written: \(path), \(ByteSize(bytes: Files.size(target) ?? 0))")
        return 0
    }

    private static func download(_ query: [(String, String)], to path: String, _ client: AgentClient) async throws {
        let file = try Descriptor(opening: path, .create)
        do throws(OrchError) {
            try await client.download("/v1/logs/export", query: query) { try file.write(Array($0.readableBytesView)) }
        } catch {
            Files.remove(path)
            throw error.cause as? SystemError ?? error
        }
    }
}
