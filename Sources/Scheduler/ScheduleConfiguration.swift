import FoundationEssentials
import OrchModel
import OrchSystem
import Yams

/// What the configuration files say: `schedules.yaml`, and a file `<name>.scheduler_config.json` for each further schedule.
struct ScheduleConfiguration: Sendable {
    var schedules: [Schedule] = []
    /// Days by the names that exceptions use.
    var calendars: [String: [String]] = [:]

    /// - Throws: `invalidRequest` for the first schedule that is wrong, and for a name that two have.
    func check(at now: Timestamp) throws(OrchError) {
        var names: Set<ModuleName> = []
        for schedule in schedules {
            guard names.insert(schedule.name).inserted else {
                throw OrchError(.invalidRequest, "two schedules have the name \(schedule.name)")
            }
            _ = try Recurrence(schedule, anchor: now, calendars: calendars)
        }
    }
}

/// Where the configuration lies, and whether it has changed since it was read.
struct ScheduleFiles: Sendable {
    private static let suffix = ".scheduler_config.json"

    /// `schedules.yaml`, or what the environment names.
    let main: String

    private struct Document: Decodable {
        var schedules: [Schedule]?
        var calendars: [String: [String]]?
    }

    /// That and all files beside it whose names end as they should, with what tells whether they have changed.
    func state() -> [String: String] {
        let folder = Files.parent(of: main)
        let others = Files.list(folder).filter { $0.hasSuffix(Self.suffix) }.map { "\(folder)/\($0)" }
        return ([main] + others).reduce(into: [:]) { states, path in
            if let text = Files.stamp(path) { states[path] = text }
        }
    }

    /// - Throws: `invalidRequest` that names the file. No files mean no schedules.
    func read() throws(OrchError) -> ScheduleConfiguration {
        var configuration = ScheduleConfiguration()
        for path in state().keys.sorted() {
            do {
                let text = try Files.readText(path)
                if path == main {
                    let document = try YAMLDecoder().decode(Document.self, from: text)
                    configuration.calendars = document.calendars ?? [:]
                    configuration.schedules += document.schedules ?? []
                } else {
                    configuration.schedules.append(try Self.schedule(text, path))
                }
            } catch {
                throw OrchError(.invalidRequest, "\(path): \(Self.words(error))", cause: error)
            }
        }
        do throws(OrchError) { try configuration.check(at: .now()) } catch {
            throw OrchError(.invalidRequest, "\(main): \(error.message)")
        }
        return configuration
    }

    /// A file of one schedule: its name is that of the file, and with `start_time` it is a window unless it says otherwise.
    private static func schedule(_ text: String, _ path: String) throws -> Schedule {
        guard case .object(var members) = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else {
            throw OrchError(
                .invalidRequest, "it must be an object, as in {\"module\": \"shop\", \"start_time\": \"08:00\"}")
        }
        let file = path.split(separator: "/").last ?? ""
        let known = Schedule.CodingKeys.allCases.map(\.rawValue)
        for key in members.keys where !known.contains(key) {
            let hint = nearest(to: key, in: known).map { ": did you mean '\($0)'?" } ?? ""
            throw OrchError(.invalidRequest, "unknown key '\(key)'\(hint)")
        }
        members["name"] = .string(String(file.dropLast(suffix.count)))
        if members["action"] == nil, members["start_time"] != nil { members["action"] = "window" }
        return try JSONDecoder().decode(Schedule.self, from: JSONEncoder().encode(JSONValue.object(members)))
    }

    private static func words(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        switch error {
        case .keyNotFound(let key, _): return "'\(key.stringValue)' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let place = context.codingPath.map(\.stringValue).joined(separator: ".")
            return place.isEmpty
                ? "it cannot be read: \(context.debugDescription)" : "'\(place)': \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }
}
