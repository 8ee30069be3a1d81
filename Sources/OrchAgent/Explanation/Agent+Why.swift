import Deployer
package import OrchModel
import OrchStore

/// Gathers what the rooms know of an instance into one answer.
extension Agent {
    /// How much of a service's trouble one screen holds.
    private static let mostInstances = 3
    private static let timelineLength = 8

    /// - Throws: `notFound` for an unknown instance.
    package func why(_ id: InstanceID) async throws -> WhyAnswer {
        guard let instance = await deployer.instances().first(where: { $0.id == id }) else {
            throw OrchError(.notFound, "there is no instance \(id): 'orch instances' lists them")
        }
        return try await answer(instance.module, [instance])
    }

    /// - Throws: `notFound` for an unknown service.
    package func why(_ name: ModuleName) async throws -> WhyAnswer {
        let instances = await deployer.instances().filter { $0.module == name }
        let service = await deployer.services.first { $0.name == name }
        // While a version is being brought in, its instances are what one asks about.
        let isRolling = service?.deployment != nil && Set(instances.map(\.revision)).count > 1
        func rank(_ instance: InstanceView) -> Int {
            let isFailing = instance.state == .running && deployer.checks(of: instance.id)?.lastFailure != nil
            let isNew = isRolling && instance.revision == service?.revision
            return max(Self.rank(instance.state), isFailing ? 4 : 0, isNew ? 1 : 0)
        }
        let ranked = instances.sorted { rank($0) > rank($1) }
        let worst = ranked.filter { rank($0) > 0 }.prefix(Self.mostInstances)
        return try await answer(name, worst.isEmpty ? Array(ranked.prefix(1)) : Array(worst))
    }

    private func answer(_ name: ModuleName, _ instances: [InstanceView]) async throws -> WhyAnswer {
        guard let service = await services().first(where: { $0.name == name }) else {
            throw OrchError(.notFound, "there is no service \(name): 'orch services' lists them")
        }
        var views: [WhyView] = []
        for instance in instances { views.append(try await view(of: instance)) }
        return WhyAnswer(
            service: service, deployment: try await store.deployments(of: name, limit: 1).first, instances: views)
    }

    private func view(of instance: InstanceView) async throws -> WhyView {
        let diagnosis = await runtime.diagnose(instance.id, lines: ServiceMachine.lastLineCount)
        let events = try await events(after: nil, module: instance.module, limit: 500)
        let spec = await deployer.spec(of: instance.module)
        var limits = diagnosis.limits
        if instance.exit?.outOfMemory == true, let bound = spec?.limits.memory {
            limits.append("memory: killed at \(bound)")
        }
        let subject = Explanation.Subject(
            instance: instance, spec: spec, checks: deployer.checks(of: instance.id), listening: diagnosis.listening,
            revisions: try await deployer.revisions(of: instance.module).count)
        return WhyView(
            instance: instance, summary: Explanation.summary(subject), checks: subject.checks, limits: limits,
            listening: diagnosis.listening,
            timeline: events.filter { $0.instance == instance.id }.suffix(Self.timelineLength),
            lastLines: diagnosis.lastLines, advice: Explanation.advice(subject))
    }

    /// How much an instance in this state needs explaining.
    private static func rank(_ state: InstanceState) -> Int {
        switch state {
        case .failed: 6
        case .backoff: 5
        case .unhealthy: 4
        case .unknown: 3
        case .pending, .starting: 2
        case .draining, .stopping: 1
        case .running, .healthy, .stopped, .completed: 0
        }
    }
}
