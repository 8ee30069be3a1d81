import Dispatch
import FoundationEssentials
import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// Follows a deployment to its end, and turns that into an exit status.
enum DeploymentWait {
    static let options: [OptionSpec] = [
        OptionSpec("detach", "d", "Print the deployment's id and do not wait."),
        OptionSpec("timeout", "t", .duration, "SPAN", "How long to wait; 10m by default. The deployment goes on."),
    ]

    /// Prints the id or waits, as the options say.
    static func conclude(_ deployment: DeploymentView, _ client: AgentClient, _ invocation: Invocation) async throws
        -> Int32
    {
        if try invocation.flag("detach") {
            try invocation.console.show(deployment, name: deployment.id.rawValue) { [deployment.id.rawValue] }
            return 0
        }
        let timeout = try invocation.duration("timeout") ?? .seconds(600)
        let final = try await follow(deployment, client, invocation.console, timeout: timeout)
        return try report(final, invocation.console)
    }

    /// Shows the deployment's events until it is over.
    ///
    /// - Throws: `timedOut` after `timeout`; the deployment goes on.
    static func follow(
        _ deployment: DeploymentView, _ client: AgentClient, _ console: Console, timeout: TimeSpan
    ) async throws -> DeploymentView {
        if deployment.state.isFinal || deployment.state.standsStill { return deployment }
        let detach = detachOnInterrupt(deployment, console)
        defer { detach.cancel() }
        let progress = ProgressDisplay(console, title: "\(deployment.kind.rawValue) of \(deployment.module)")
        return try await withThrowingTaskGroup(of: DeploymentView.self) { group in
            group.addTask {
                var after: Int64?
                var isAway = false
                while true {
                    do throws(OrchError) {
                        let view = try await followOnce(deployment, client, progress, after: &after)
                        // What stood still before may be going on by now.
                        if view.state.isFinal || view.state.standsStill { return view }
                    } catch {
                        // The agent may be restarting: the deployment goes on by itself, and so do we.
                        guard error.code == .unavailable else { throw error }
                        if !isAway { console.note("the agent is away; waiting for it") }
                        isAway = true
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout.duration)
                throw OrchError(
                    .timedOut,
                    "\(deployment.kind.rawValue) of \(deployment.module) is not done after \(timeout); it goes on: 'orch wait \(deployment.id)'"
                )
            }
            defer {
                group.cancelAll()
                progress.end()
            }
            guard let first = try await group.next() else { return deployment }
            return first
        }
    }

    private static func followOnce(
        _ deployment: DeploymentView, _ client: AgentClient, _ progress: ProgressDisplay, after: inout Int64?
    ) async throws(OrchError) -> DeploymentView {
        let path = "/v1/deployments/\(deployment.id)"
        // What is over needs no following; what is not ends with an event, which comes after the question at the latest.
        var query = [("module", deployment.module.rawValue), ("follow", "true"), ("limit", "200")]
        if let after { query.append(("after", String(after))) }
        try await client.stream("/v1/events", query: query) { message in
            guard message.kind == "event",
                let event = try? JSONDecoder().decode(Event.self, from: Data(message.data.utf8))
            else { return true }
            after = event.sequence
            guard event.deployment == deployment.id else { return true }
            progress.show(event)
            // A paused one goes on when somebody says so, which may be in days.
            return ![
                "deployment.succeeded", "deployment.failed", "deployment.rolled_back", "deployment.waiting",
                "deployment.paused",
            ].contains(event.kind)
        }
        return try await client.call("GET", path)
    }

    /// Ctrl-C ends the waiting and nothing else.
    private static func detachOnInterrupt(_ deployment: DeploymentView, _ console: Console) -> any DispatchSourceSignal
    {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            StandardStream.error.write(
                "\nno longer waiting; \(deployment.kind.rawValue) of \(deployment.module) goes on: 'orch wait \(deployment.id)'\n"
            )
            exit(130)
        }
        source.resume()
        return source
    }

    /// - Returns: 0, or 8 and 9 as the outcome of a failed deployment demands.
    static func report(_ deployment: DeploymentView, _ console: Console) throws -> Int32 {
        let subject = "\(deployment.kind.rawValue) of \(deployment.module)"
        if console.format != .table, console.format != .wide {
            try console.show(deployment, name: deployment.id.rawValue) { [] }
        }
        switch deployment.state {
        case .succeeded:
            console.note(
                "\(subject) \(console.styled("done", .green, on: .error))\(deployment.reason.isEmpty ? "" : ": \(deployment.reason)")"
            )
            return 0
        case .waiting:
            let name = deployment.module
            console.note(
                "\(subject) waits: 'orch promote \(name)' lets it replace the version before, 'orch abort \(name)' takes it back"
            )
            return 0
        case .paused:
            let name = deployment.module
            let reason = deployment.reason.isEmpty ? "" : ": \(deployment.reason)"
            console.error(
                "\(subject) stands still\(reason); 'orch resume \(name)' goes on, 'orch abort \(name)' takes it back")
            for line in deployment.lastLines { StandardStream.error.write("  | \(line)\n") }
            return OrchError.Code.failed.exitStatus
        case .rolledBack: console.error("\(subject) failed, rolled back, the old version serves: \(deployment.reason)")
        case .failed: console.error("\(subject) failed: \(deployment.reason)")
        case .running, .rollingBack: console.error("\(subject) is not done")
        }
        for line in deployment.lastLines { StandardStream.error.write("  | \(line)\n") }
        let isRollout = [.deploy, .rollback, .start, .restart, .scale].contains(deployment.kind)
        if deployment.state == .rolledBack { return OrchError.Code.rolledBack.exitStatus }
        return isRollout ? OrchError.Code.serviceDown.exitStatus : OrchError.Code.failed.exitStatus
    }
}
