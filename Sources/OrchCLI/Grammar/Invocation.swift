import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// A command as it was called: its operands, its settings, and where it writes.
struct Invocation: Sendable {
    let parsed: ParsedCommand
    let settings: Settings
    let environment: [String: String]
    let directory: String
    let console: Console

    var operands: [String] { parsed.operands }

    // MARK: Options

    private func option(_ name: String) -> OptionSpec? { parsed.command.allOptions.first { $0.name == name } }

    func values(_ name: String) throws(OrchError) -> [String] {
        guard let option = option(name) else { return [] }
        return try settings.lookUp(option).values
    }

    func text(_ name: String) throws(OrchError) -> String? { try values(name).last }

    func flag(_ name: String) throws(OrchError) -> Bool { try text(name) == "true" }

    func integer(_ name: String) throws(OrchError) -> Int? { try text(name).flatMap { Int($0) } }

    func duration(_ name: String) throws(OrchError) -> TimeSpan? { try text(name).flatMap { TimeSpan($0) } }

    /// A time as it is, or a duration before now.
    func time(_ name: String) throws(OrchError) -> Timestamp? {
        guard let text = try text(name) else { return nil }
        return Timestamp(rfc3339: text) ?? TimeSpan(text).map { Timestamp.now() - $0 }
    }

    // MARK: The agent

    /// `/var/lib/orch` for root, otherwise below the user's state directory, unless it is set.
    var dataDirectory: String {
        get throws(OrchError) {
            if let given = try text("data-dir") { return absolute(given) }
            if geteuid() == 0 { return "/var/lib/orch" }
            if let state = environment["XDG_STATE_HOME"] { return "\(state)/orch" }
            guard let home = environment["HOME"] else {
                throw OrchError(.invalidRequest, "HOME is not set: give --data-dir")
            }
            return "\(home)/.local/state/orch"
        }
    }

    var socket: String {
        get throws(OrchError) {
            if let given = try text("socket") { return absolute(given) }
            return AgentPaths.socket(in: try dataDirectory)
        }
    }

    func client() throws(OrchError) -> AgentClient {
        guard let host = try text("host") else {
            // Within an instance, which has a socket and a token of its own.
            let token = try text("token-file") == nil ? nil : try token()
            return AgentClient(door: .socket(path: try socket, token: token))
        }
        var url = host.contains("://") ? host : "http://\(host)"
        while url.hasSuffix("/") { url.removeLast() }
        let parts = url.split(separator: "/", omittingEmptySubsequences: true)
        guard ["http:", "https:"].contains(parts.first), parts.count == 2 else {
            throw OrchError(.invalidRequest, "--host must be as in http://127.0.0.1:7070, not \(host.quotedOneLine)")
        }
        return AgentClient(door: .address(url: url, token: try token()))
    }

    /// Secrets come from a file or the environment, never from an option: others can see those.
    private func token() throws(OrchError) -> String? {
        if let path = try text("token-file") {
            do throws(SystemError) { return try Files.readText(absolute(path)).trimmed } catch {
                throw OrchError(.notAllowed, "the token file \(path) cannot be read: \(error.reason)", cause: error)
            }
        }
        if let token = environment["ORCH_TOKEN"], !token.isEmpty { return token.trimmed }
        return (try? Files.readText(AgentPaths.token(in: dataDirectory)))?.trimmed
    }

    func absolute(_ path: String) -> String { Files.resolve(path, in: directory) }
}
