import FoundationEssentials
import OrchModel
import OrchSystem

/// A schedule with what has become of it.
struct ScheduleState: Codable, Sendable {
    var schedule: Schedule
    var createdAt: Timestamp
    /// It came from the configuration file, which may take it away again.
    var isConfigured: Bool
    /// The last due time that was acted on, written down before the act: none is acted on twice.
    var lastDue: Timestamp?
    var lastOutcome: String?

    enum CodingKeys: String, CodingKey {
        case schedule
        case createdAt = "created_at"
        case isConfigured = "configured"
        case lastDue = "last_due"
        case lastOutcome = "last_outcome"
    }
}

/// Keeps schedules in one JSON file, which is replaced as a whole and is on disk when ``save(_:)`` returns.
struct ScheduleStore: Sendable {
    let path: String

    func load() throws -> [ModuleName: ScheduleState] {
        guard Files.exists(path) else { return [:] }
        let states = try JSONDecoder().decode([ScheduleState].self, from: Data(Files.read(path)))
        return Dictionary(states.map { ($0.schedule.name, $0) }) { _, last in last }
    }

    func save(_ states: [ModuleName: ScheduleState]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let sorted = states.values.sorted { $0.schedule.name < $1.schedule.name }
        try Files.makeFolder(Files.parent(of: path))
        try Files.replace(path, with: Array(encoder.encode(sorted)), durable: true)
    }
}
