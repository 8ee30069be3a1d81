import AsyncHTTPClient
import ModuleKit
import NIOCore
import NIOHTTP1
import OrchClient
import OrchModel

/// Does what a schedule says: asks the agent, or calls an address.
struct AgentAction: ScheduleAction {
    /// How long an address may take to answer.
    private static let callTimeout = TimeAmount.seconds(30)

    let agent: AgentClient

    func perform(_ schedule: Schedule, _ act: ScheduledAct) async throws {
        switch schedule.action {
        case .http: try await call(schedule.url ?? "")
        case .deploy:
            let _: DeploymentView = try await agent.call(
                "POST", "/v1/deployments", body: DeployRequest(module: schedule.module?.rawValue))
        case .job: try await JobRunner(agent: agent).run(schedule, act)
        case .scale:
            let _: DeploymentView = try await agent.change(
                "POST", "/v1/services/\(schedule.module?.rawValue ?? "")/scale",
                body: ChangeRequest(replicas: schedule.replicas))
        case .window: throw OrchError(.failed, "a window opens or closes")
        case .start, .stop, .restart:
            let module = schedule.module?.rawValue ?? ""
            let _: DeploymentView = try await agent.change("POST", "/v1/services/\(module)/\(schedule.action.rawValue)")
        }
    }

    private func call(_ url: String) async throws {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        let status: HTTPResponseStatus
        do {
            status = try await WebClient.shared.execute(request, timeout: Self.callTimeout).status
        } catch {
            throw OrchError(.unavailable, "\(Self.told(url)) does not answer", cause: error)
        }
        guard (200..<300).contains(status.code) else {
            throw OrchError(.failed, "\(Self.told(url)) answered \(status.code)")
        }
    }

    /// An address as far as everybody may read it: passwords and keys stand in front of the host or behind the path.
    private static func told(_ url: String) -> String {
        let parts = url.split(separator: "://", maxSplits: 1)
        guard parts.count == 2 else { return "the address" }
        let path = parts[1].prefix { $0 != "?" && $0 != "#" }
        let host = path.prefix { $0 != "/" }
        return "\(parts[0])://\(host.split(separator: "@").last ?? "")\(path.dropFirst(host.count))"
    }
}
