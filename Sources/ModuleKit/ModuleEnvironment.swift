import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
package import OrchClient
package import OrchModel
import OrchSystem

/// What a module of the control plane gets from whoever runs it.
package struct ModuleEnvironment: Sendable {
    /// Its own name.
    package let module: String
    package let port: Int
    /// Where it keeps what it knows.
    package let data: String
    /// What the agent shows it.
    package let agentToken: String
    package let agent: AgentClient

    /// - Parameters:
    ///   - name: of the module, where nothing else tells.
    ///   - dataVariable: names the folder for its state; below the agent's own by default.
    /// - Throws: `invalidRequest` when it was started by hand.
    package init(name: String, dataVariable: String) throws(OrchError) {
        guard let socket = Self.variable("ORCH_SOCKET") else {
            throw OrchError(.invalidRequest, "ORCH_SOCKET is not set: start it with 'orch deploy \(name)'")
        }
        let token = try Self.secret("ORCH_TOKEN_FILE")
        agentToken = try Self.secret("ORCH_AGENT_TOKEN_FILE")
        agent = AgentClient(door: .socket(path: socket, token: token))
        module = Self.variable("ORCH_MODULE_NAME") ?? name
        port = Self.variable("PORT").flatMap { Int($0) } ?? 0
        data = Self.variable(dataVariable) ?? Self.variable("ORCH_DATA_DIR").map { "\($0)/\(name)" } ?? "."
    }

    /// The content of the file that a variable names.
    private static func secret(_ variable: String) throws(OrchError) -> String {
        let path = Self.variable(variable) ?? ""
        do throws(SystemError) { return try Files.readText(path).filter { !$0.isWhitespace } } catch {
            throw OrchError(
                .notAllowed, "\(variable) is \(path.quotedOneLine), which cannot be read: \(error.reason)", cause: error
            )
        }
    }

    package static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The file that a variable names, or else one of this name among the module's configuration files, where it need not be.
    ///
    /// - Throws: `notFound` for a variable that names no file.
    package static func configuration(_ variable: String, _ fileName: String) throws(OrchError) -> String? {
        guard let path = Self.variable(variable) else {
            return Self.variable("ORCH_CONFIG_DIR").map { "\($0)/\(fileName)" }
        }
        guard Files.exists(path) else {
            throw OrchError(
                .notFound, "\(variable) is \(path.quotedOneLine), which is not there: make it, or mend the name")
        }
        return path
    }

    /// Asks the module that runs here whether it is well, as its image's own check does.
    package static func isHealthy() async -> Bool {
        guard let port = variable("PORT"),
            let answer = try? await HTTPClient.shared.execute(
                HTTPClientRequest(url: "http://127.0.0.1:\(port)/health"), timeout: .seconds(2))
        else { return false }
        return answer.status == .ok
    }
}
