import Deployer
import Glibc
import LoggingModule
import OrchModel
import OrchStore
import OrchSystem

/// What the agent notices by itself and tells as events.
extension Agent {
    private static let diskInterval = Duration.seconds(5)
    /// The part of the disk that shall be free; with a little more it is well again.
    private static let leastFree = 0.05
    private static let enoughFree = 0.07

    /// Keeps the counts of lost lines, and tells when they have grown.
    func refreshLosses() async {
        // Those of before this start were told then.
        var known: [InstanceID: Int64]?
        for await _ in shipper.losses.listen() {
            var counts: [InstanceID: Int64] = [:]
            for instance in await deployer.instances() {
                let lost = await shipper.lost(instance.id.rawValue)
                counts[instance.id] = lost
                if let known, lost > known[instance.id] ?? 0 {
                    deployer.note(
                        Event(
                            at: .now(), kind: "logs.lost", module: instance.module, instance: instance.id,
                            message: "\(lost) lines in all"))
                }
            }
            known = counts
            await deployer.set(lost: counts)
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Tells when the disk of the data directory is nearly full, and when there is room again.
    func watchDisk() async {
        // An agent that was started anew tells of the end of what the one before has told of.
        var isLow = await wasLow()
        repeat {
            guard let (free, total) = await runBlocking(name: "disk", { Self.room(in: settings.dataDirectory) }),
                total > 0
            else { continue }
            let part = Double(free) / Double(total)
            guard isLow ? part >= Self.enoughFree : part < Self.leastFree else { continue }
            isLow.toggle()
            deployer.note(
                Event(
                    at: .now(), kind: isLow ? "disk.low" : "disk.enough",
                    message:
                        "\(ByteSize(bytes: free)) of \(ByteSize(bytes: total)) are free in \(settings.dataDirectory)"))
        } while (try? await Task.sleep(for: Self.diskInterval)) != nil
    }

    /// Whether the disk was nearly full when that was told last.
    private func wasLow() async -> Bool {
        let events = (try? await store.events(of: ["disk.low", "disk.enough"], limit: 1)) ?? []
        return events.last?.kind == "disk.low"
    }

    private static func room(in folder: String) -> (free: Int64, total: Int64)? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        let block = Int64(status.f_frsize)
        return (
            Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: block).partialValue,
            Int64(clamping: status.f_blocks).multipliedReportingOverflow(by: block).partialValue
        )
    }
}
