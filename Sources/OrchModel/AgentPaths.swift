/// Where things lie below an agent's data directory.
package enum AgentPaths {
    package static func socket(in data: String) -> String { "\(data)/orch.sock" }
    package static func token(in data: String) -> String { "\(data)/token" }
    package static func lock(in data: String) -> String { "\(data)/agent.lock" }
    package static func database(in data: String) -> String { "\(data)/orch.db" }
    package static func instances(in data: String) -> String { "\(data)/instances" }
    package static func broker(in data: String) -> String { "\(data)/broker" }
    package static func repository(in data: String) -> String { "\(data)/Repository" }
    /// The folder with the socket for instances that have a token, which containers get to see.
    package static func door(in data: String) -> String { "\(data)/door" }
    package static let doorSocket = "orch.sock"
    package static func control(in data: String) -> String { "\(data)/control" }
    package static func logs(in data: String) -> String { "\(data)/LoggingModule" }
    /// The port that the embedded broker had last, so that it keeps it.
    package static func brokerPort(in data: String) -> String { "\(data)/broker.port" }
    /// The address of the API's TCP door, while it is open.
    package static func address(in data: String) -> String { "\(data)/http.address" }
    /// The port that the TCP door had last, so that it keeps it.
    package static func httpPort(in data: String) -> String { "\(data)/http.port" }
    /// Sessions of browsers that were ended.
    package static func endedSessions(in data: String) -> String { "\(data)/sessions.ended" }
    /// Where an agent that was started in the background writes its standard error.
    package static func agentLog(in data: String) -> String { "\(data)/agent.log" }
}
