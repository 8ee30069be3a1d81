import NIOHTTP1
package import OrchModel

/// What the engine tells of one container.
package struct ContainerState: Sendable, Decodable {
    package enum Health: String, Sendable, Decodable { case none, starting, healthy, unhealthy }

    package let id: String
    package let labels: [String: String]
    package let isRunning: Bool
    package let isPaused: Bool
    /// Was made and not started yet.
    package let isNew: Bool
    /// Of its first process on this machine; `nil` when it does not run.
    package let pid: Int32?
    /// `nil` while it runs and when it never has.
    package let exit: Exit?
    /// What the image's check says, and what it printed last; `nil` where there is none.
    package let health: (verdict: Health, output: String)?

    package init(from decoder: any Decoder) throws {
        struct Document: Decodable {
            struct State: Decodable {
                struct Health: Decodable {
                    struct Probe: Decodable {
                        var output: String?
                        enum CodingKeys: String, CodingKey { case output = "Output" }
                    }
                    var status: String
                    var log: [Probe]?
                    enum CodingKeys: String, CodingKey {
                        case status = "Status"
                        case log = "Log"
                    }
                }
                var status: String
                var isRunning: Bool
                var isPaused: Bool
                var wasOutOfMemory: Bool
                var pid: Int32
                var exitCode: Int32
                var finishedAt: String
                var health: Health?
                enum CodingKeys: String, CodingKey {
                    case status = "Status"
                    case isRunning = "Running"
                    case isPaused = "Paused"
                    case wasOutOfMemory = "OOMKilled"
                    case pid = "Pid"
                    case exitCode = "ExitCode"
                    case finishedAt = "FinishedAt"
                    case health = "Health"
                }
            }
            struct Configuration: Decodable {
                var labels: [String: String]?
                enum CodingKeys: String, CodingKey { case labels = "Labels" }
            }
            var id: String
            var state: State
            var configuration: Configuration
            enum CodingKeys: String, CodingKey {
                case id = "Id"
                case state = "State"
                case configuration = "Config"
            }
        }
        let document = try Document(from: decoder)
        let state = document.state
        id = document.id
        labels = document.configuration.labels ?? [:]
        isRunning = state.isRunning
        isPaused = state.isPaused
        isNew = state.status == "created"
        pid = state.isRunning && state.pid > 0 ? state.pid : nil
        exit =
            state.isRunning || isNew
            ? nil
            : Exit(
                status: state.exitCode, outOfMemory: state.wasOutOfMemory,
                at: Timestamp(rfc3339: state.finishedAt) ?? .init(nanoseconds: 0))
        health = state.health.flatMap { health in
            Health(rawValue: health.status).map { ($0, health.log?.last?.output ?? "") }
        }
    }
}

extension Exit {
    /// Engines report a signal as 128 and its number, as shells do. A program that ends with such a status itself cannot
    /// be told from one that was killed.
    package init(status: Int32, outOfMemory: Bool, at: Timestamp) {
        let signal = status > 128 && status <= 128 + 64 ? status - 128 : nil
        self.init(code: signal == nil ? status : nil, signal: signal, outOfMemory: outOfMemory, at: at)
    }
}

extension EngineClient {
    /// Makes a container.
    ///
    /// - Returns: its id.
    /// - Throws: `notFound` when the image is not there, `conflict` when the name is taken.
    package func createContainer(_ name: String, _ plan: ContainerPlan) async throws(OrchError) -> String {
        struct Answer: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        let answer: Answer = try await post("/containers/create", query: [("name", name)], body: plan.json)
        return answer.id
    }

    /// Starts a container; one that runs already is left as it is.
    package func startContainer(_ id: String) async throws(OrchError) {
        try await call(.POST, "/containers/\(id.percentEncoded)/start")
    }

    /// Sends a signal to the container's first process.
    ///
    /// - Throws: `conflict` when it does not run.
    package func killContainer(_ id: String, signal: Int32) async throws(OrchError) {
        try await call(.POST, "/containers/\(id.percentEncoded)/kill", query: [("signal", String(signal))])
    }

    /// Removes a container with its nameless volumes, by force. One that is gone already is as good.
    package func removeContainer(_ id: String) async throws(OrchError) {
        do throws(OrchError) {
            try await call(.DELETE, "/containers/\(id.percentEncoded)", query: [("force", "1"), ("v", "1")])
        } catch  where error.code == .notFound || error.code == .conflict {
            // A conflict: its removal is in progress.
        }
    }

    /// - Parameter id: or the name.
    /// - Returns: `nil` when there is none.
    package func container(_ id: String) async throws(OrchError) -> ContainerState? {
        do throws(OrchError) {
            return try await get("/containers/\(id.percentEncoded)/json")
        } catch  where error.code == .notFound {
            return nil
        }
    }

    /// The ids of all containers with a label.
    package func containers(label: String, value: String) async throws(OrchError) -> [String] {
        struct Entry: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        let filters = try Self.filters(["label": [.string("\(label)=\(value)")]])
        let entries: [Entry] = try await get("/containers/json", query: [("all", "1"), ("filters", filters)])
        return entries.map(\.id)
    }
}
