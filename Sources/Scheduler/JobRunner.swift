import OrchClient
import OrchModel
import OrchSystem

/// Runs a module to its end, as a service of its own that is gone afterwards: its log stays in the module's topic.
///
/// The service's name follows from the schedule and the due time, so that a scheduler that was started anew waits for what
/// its predecessor has begun, and nothing is begun twice.
struct JobRunner: Sendable {
    private static let firstRetryDelay = TimeSpan.seconds(10)
    private static let longestRetryDelay = TimeSpan.seconds(3600)
    /// More than a job can have tries and stops.
    private static let mostDeployments = 1000
    private static let look = Duration.milliseconds(200)
    /// So that a name has room for the time.
    private static let longestName = 50

    let agent: AgentClient

    /// - Throws: what made the last try fail.
    func run(_ schedule: Schedule, _ act: ScheduledAct) async throws {
        let service = Self.service(schedule, act.due)
        for due in act.replaced { try? await remove(Self.service(schedule, due)) }
        // Its end was not written down, or it was taken away by hand.
        if act.isResumed, try await !exists(service) {
            throw OrchError(.failed, "interrupted: the scheduler ended meanwhile, and \(service) is gone")
        }
        try await begin(schedule, service)
        let result: Result<Void, any Error>
        do {
            try await finish(schedule, service)
            result = .success(())
        } catch {
            try Task.checkCancellation()
            result = .failure(error)
        }
        try? await remove(service)
        try result.get()
    }

    private static func service(_ schedule: Schedule, _ due: Timestamp) -> ModuleName {
        // Due times are a second apart at least; those by hand may not be.
        let time = String(due.milliseconds, radix: 36)
        return ModuleName(unchecked: "\(schedule.name.rawValue.prefix(longestName))-\(time)")
    }

    /// An agent that goes away meanwhile may have done what it was asked for, so that is looked at before it is asked again.
    private func begin(_ schedule: Schedule, _ service: ModuleName) async throws {
        var request = DeployRequest(module: schedule.module?.rawValue)
        request.alias = service
        while try await !exists(service) {
            do throws(OrchError) {
                let _: DeploymentView = try await agent.call("POST", "/v1/deployments", body: request)
            } catch {
                guard error.code == .unavailable else { throw error }
                try await Task.sleep(for: Self.look)
            }
        }
    }

    /// Waits for its end, and tries again as often as the schedule says.
    private func finish(_ schedule: Schedule, _ service: ModuleName) async throws {
        while true {
            do throws(OrchError) {
                return try await waitForEnd(of: service, schedule.timeout)
            } catch {
                if error.code == .notFound { throw error }
                let tries = try await tries(of: service)
                guard tries <= schedule.retries ?? 0 else {
                    let count = tries > 1 ? ", after \(tries) tries" : ""
                    throw OrchError(error.code, error.message + count)
                }
                try await Task.sleep(for: Self.delay(schedule.retryDelay ?? Self.firstRetryDelay, tries).duration)
            }
            do throws(OrchError) {
                let _: DeploymentView = try await steadily {
                    try await agent.change("POST", "/v1/services/\(service)/start")
                }
            } catch {
                // It has begun, though the agent went away before it said so.
                guard error.code == .conflict else { throw error }
            }
        }
    }

    /// Twice as long after each try, up to an hour or what the schedule says.
    private static func delay(_ first: TimeSpan, _ tries: Int) -> TimeSpan {
        let longest = max(first, longestRetryDelay)
        return (1..<max(1, tries)).reduce(first) { delay, _ in
            TimeSpan(nanoseconds: min(delay.nanoseconds, longest.nanoseconds / 2) * 2)
        }
    }

    /// How often it was begun, be it by a scheduler before this one.
    private func tries(of service: ModuleName) async throws(OrchError) -> Int {
        let history: HistoryView = try await steadily {
            try await agent.call(
                "GET", "/v1/services/\(service)/history", query: [("limit", "\(Self.mostDeployments)")])
        }
        return history.deployments.count { $0.kind == .deploy || $0.kind == .start }
    }

    /// - Throws: `failed` with how it ended, `timedOut`, `notFound` when somebody has taken it away.
    private func waitForEnd(of service: ModuleName, _ timeout: TimeSpan?) async throws(OrchError) {
        let deadline = timeout.map { ContinuousClock.now + $0.duration }
        while true {
            let view = try await view(of: service)
            let instances = try await instances(of: service)
            // A deployment that goes on may still start something.
            if view.deployment == nil, !instances.isEmpty,
                instances.allSatisfy({ [.completed, .failed, .stopped].contains($0.state) })
            {
                guard let bad = instances.first(where: { $0.state != .completed }) else { return }
                throw OrchError(.failed, bad.state == .stopped ? "it was stopped" : bad.reason)
            }
            // A scheduler before this one may have begun the try.
            let isOver =
                timeout.map { span in instances.contains { $0.state.isUp && .now() - $0.since > span } } ?? false
            if let deadline, isOver || ContinuousClock.now > deadline {
                _ = try? await agent.change("POST", "/v1/services/\(service)/stop") as DeploymentView
                throw OrchError(.timedOut, "it took longer than \(timeout ?? .zero)")
            }
            do { try await Task.sleep(for: Self.look) } catch { throw OrchError(.unavailable, "the scheduler ends") }
        }
    }

    // MARK: The agent

    private func exists(_ service: ModuleName) async throws -> Bool {
        do throws(OrchError) {
            _ = try await view(of: service)
            return true
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }

    /// - Throws: `notFound`. What lies between asks again, as an agent may be away for a moment.
    private func view(of service: ModuleName) async throws(OrchError) -> ServiceView {
        let views: [ServiceView] = try await steadily { try await agent.call("GET", "/v1/services") }
        guard let view = views.first(where: { $0.name == service }) else {
            throw OrchError(.notFound, "\(service) was taken away, or replaced by a later run")
        }
        return view
    }

    private func instances(of service: ModuleName) async throws(OrchError) -> [InstanceView] {
        try await steadily {
            try await agent.call("GET", "/v1/instances", query: [("module", service.rawValue)])
        }
    }

    private func steadily<Answer>(_ ask: () async throws -> Answer) async throws(OrchError) -> Answer {
        while true {
            do {
                return try await ask()
            } catch {
                let refusal = OrchError(wrapping: error, "the agent cannot be asked")
                guard refusal.code == .unavailable, !Task.isCancelled else { throw refusal }
                try? await Task.sleep(for: Self.look)
            }
        }
    }

    private func remove(_ service: ModuleName) async throws {
        let _: DeploymentView = try await agent.change("DELETE", "/v1/services/\(service)")
    }
}
