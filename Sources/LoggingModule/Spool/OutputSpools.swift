package import OrchModel
import OrchSystem

/// The spools of all instances whose output somebody else captures.
///
/// Runs on a thread of its own, because files block.
package actor OutputSpools {
    /// How soon a disk or a spool that is full is tried again.
    private static let fullPause = Duration.milliseconds(100)

    private let executor = ThreadExecutor(name: "output-spools")
    private var spools: [InstanceID: Spool] = [:]

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private final class Spool {
        var value: OutputSpool
        init(_ value: consuming OutputSpool) { self.value = value }
    }

    package init() {}

    /// Begins or goes on with the output of an instance.
    ///
    /// - Parameter source: where it comes from now: what is there already of just this is left out.
    /// - Returns: from when on output is wanted; `nil` for all.
    package func open(_ id: InstanceID, spool folder: String, source: String, limits: LogSpec) throws(OrchError)
        -> Timestamp?
    {
        if let known = spools[id], known.value.source == source { return known.value.resume() }
        do throws(SystemError) {
            let spool = Spool(try OutputSpool(folder: folder, source: source, limits: limits))
            spools[id] = spool
            return spool.value.resume()
        } catch {
            throw OrchError(.failed, "the spool \(folder) cannot be used: \(error)", cause: error)
        }
    }

    /// Takes output, in order; one caller an instance. Waits while the disk is full, or the spool and none shall be lost.
    ///
    /// - Throws: `CancellationError`; then some of it may be there.
    package func keep(_ entries: [OutputEntry], of id: InstanceID) async throws {
        guard let spool = spools[id] else { return }
        while spool.value.isFull { try await Task.sleep(for: Self.fullPause) }
        for entry in spool.value.new(of: entries) {
            while (try? spool.value.append(entry)) == nil { try await Task.sleep(for: Self.fullPause) }
        }
    }

    package func close(_ id: InstanceID) { spools[id] = nil }
}
