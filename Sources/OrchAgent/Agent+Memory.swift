import LoggingModule
import OrchSystem

/// Gives memory back to the system that was needed for a moment: the C library keeps it, in an arena for each thread.
extension Agent {
    private static let interval = Duration.seconds(10)
    /// What may be kept without a look, in bytes.
    private static let slack = 4 << 20

    /// Looks now and then whether there is much. Runs until the task is cancelled.
    static func giveBackMemory() async {
        var kept = 0
        while (try? await Task.sleep(for: interval)) != nil {
            guard let now = ProcessMemory.resident, now > kept + slack else { continue }
            ProcessMemory.trim()
            kept = ProcessMemory.resident ?? now
        }
    }

    /// Reads lines; searching much takes memory for a moment.
    func read(_ query: LogQuery, deliver: @escaping LogReader.Deliver) async throws {
        defer { ProcessMemory.trim() }
        try await logReader.read(query, deliver: deliver)
    }
}
