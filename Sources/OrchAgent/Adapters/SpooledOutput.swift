import LoggingModule
import OrchModel
import RuntimeManager

/// Keeps the output of containers in spools, so that it takes the same way as everybody's.
struct SpooledOutput: OutputKeeper {
    let spools: OutputSpools

    func open(_ id: InstanceID, spool: String, source: String, limits: LogSpec) async throws(OrchError) -> Timestamp? {
        try await spools.open(id, spool: spool, source: source, limits: limits)
    }

    func keep(_ entries: [OutputEntry], of id: InstanceID) async throws { try await spools.keep(entries, of: id) }

    func close(_ id: InstanceID) async { await spools.close(id) }
}
