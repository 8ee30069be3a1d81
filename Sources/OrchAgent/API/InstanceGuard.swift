import Deployer
import HTTPTypes
import Hummingbird
import OrchModel
import OrchSystem

/// Lets instances in that show their token, as far as their module file says.
struct InstanceGuard: RouterMiddleware {
    let agent: Agent

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let field = request.headers[.authorization], field.hasPrefix("Bearer "),
            let id = agent.instanceTokens.instance(of: field.dropFirst(7))
        else {
            throw OrchError(
                .notAllowed,
                "send the token in the file ORCH_TOKEN_FILE, which instances get whose module file sets 'api'")
        }
        let access = await agent.deployer.access(of: id)
        guard let needed = Self.access(to: request.uri.path, request.method), access >= needed else {
            throw OrchError(
                .notAllowed, "\(id) may not do that: 'api' in its module file is \(access.rawValue)")
        }
        var context = context
        context.instance = id
        return try await next(request, context)
    }

    private static let serviceChanges: Set<Substring> = [
        "start", "stop", "restart", "scale", "rollback", "promote", "abort", "pause", "resume",
    ]
    private static let instanceChanges: Set<Substring> = ["start", "stop", "restart"]

    /// What is needed for a request; `nil` for what no instance may do.
    static func access(to path: String, _ method: HTTPRequest.Method) -> AgentAccess? {
        let parts = path.split(separator: "/")
        if parts == ["metrics"] { return method == .get ? .read : nil }
        guard parts.first == "v1", parts.count > 1 else { return nil }
        if method == .get || method == .head {
            // What lies in other instances may be anything, and addresses of channels are as good as passwords.
            let isSecret =
                parts.count == 4 && parts[1] == "instances" && parts[3].hasPrefix("file")
                || parts.suffix(2) == ["rules", "file"]
            return isSecret ? nil : .read
        }
        // The route looks whether it is a run.
        if method == .delete, parts.count == 3, parts[1] == "services" { return .operate }
        guard method == .post else { return nil }
        switch (parts[1], parts.count) {
        case ("deployments", 2), ("plan", 2), ("start_module", 3), ("stop_module", 3): return .operate
        case ("services", 4): return serviceChanges.contains(parts[3]) ? .operate : nil
        case ("instances", 4): return instanceChanges.contains(parts[3]) ? .operate : nil
        default: return nil
        }
    }
}
