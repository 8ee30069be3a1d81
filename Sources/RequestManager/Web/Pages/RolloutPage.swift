import OrchModel

/// One deployment while it goes on, and afterwards: its steps, its instances, and what it prints.
struct RolloutPage: Page {
    let id: DeploymentID
    var title: String { "Deployment \(id)" }
    let menu = Menu.deploy
    let still: Set<String> = ["log"]

    private static let shownSteps = 500

    func parts(_ view: PageView) async throws -> [PagePart] {
        let deployment = try await view.plane.deployment(id)
        let steps = try await view.plane.events(during: deployment, limit: Self.shownSteps)
        let service = await view.plane.services().first { $0.name == deployment.module }
        let instances = await view.plane.instances().filter { $0.module == deployment.module }
        let here = "\(Menu.deploy.rawValue)/\(id)"
        var fields = Self.row(deployment)
        fields["here"] = here
        fields["service"] = service.map { Self.progress(deployment, $0, instances) }
        fields["canReturn"] = await Self.canReturn(deployment, view.plane)
        fields["addresses"] = deployment.state == .succeeded ? service.map(ServicePage.pings) ?? [] : []
        fields["rows"] = instances.map {
            InstanceRow(view: $0, history: view.activity).fields(here: here).merging([
                "isNew": $0.revision == deployment.toRevision
            ]) { $1 }
        }
        fields["hasInstances"] = !instances.isEmpty
        fields["lastLines"] = deployment.lastLines
        fields["hasLastLines"] = !deployment.lastLines.isEmpty
        if !deployment.state.isFinal || deployment.state == .failed {
            let whys = try? await view.plane.why(deployment.module).instances
            fields["checks"] = (whys ?? []).compactMap { why in
                why.checks.map { InstancePage.fields($0).merging(["instance": why.instance.id]) { $1 } }
            }
        }
        // Lines from a little before its start, as clocks of instances and of the agent are read at different moments.
        let since = (deployment.startedAt - .seconds(1)).rfc3339(decimals: 3)
        let until = deployment.finishedAt.map { "&until=\(($0 + .seconds(10)).rfc3339(decimals: 3).percentEncoded)" }
        return [
            view.part("rollout", "rollout", fields),
            view.part("steps", "events", EventRow.fields(steps, heading: "Steps")),
            view.part(
                "log", "log-view",
                [
                    "heading": "What it prints", "events": "deployment=\(id)",
                    "query":
                        "module=\(deployment.module.rawValue.percentEncoded)&since=\(since.percentEncoded)\(until ?? "")",
                    "lines": [Fields](),
                ]),
        ]
    }

    /// How far it is: how many of the instances that are wanted are up, and of the revision that is wanted.
    private static func progress(
        _ deployment: DeploymentView, _ service: ServiceView, _ instances: [InstanceView]
    ) -> Fields {
        let up = instances.count { $0.state.isUp && $0.revision == deployment.toRevision }
        return [
            "up": min(up, service.replicas), "replicas": service.replicas, "state": service.state.rawValue,
            "version": service.version,
        ]
    }

    /// Only what brought the revision that is wanted now can be taken back, to the one it replaced.
    private static func canReturn(_ deployment: DeploymentView, _ plane: any ControlPlane) async -> Bool {
        guard deployment.state == .succeeded, deployment.kind == .deploy, let earlier = deployment.fromRevision else {
            return false
        }
        let revisions = try? await plane.history(of: deployment.module).revisions
        return revisions?.contains { $0.number == deployment.toRevision && $0.isTarget } == true
            && revisions?.contains { $0.number == earlier && $0.hasHeld } == true
    }

    static func row(_ deployment: DeploymentView) -> Fields {
        Fields(present: [
            "deployment": deployment.id, "module": deployment.module, "kind": deployment.kind.rawValue,
            "state": deployment.state.rawValue, "words": words(deployment), "reason": deployment.reason,
            "from": deployment.fromRevision, "to": deployment.toRevision,
            "started": Wording.time(deployment.startedAt), "finished": deployment.finishedAt.map(Wording.time),
            "took": deployment.finishedAt.map { ($0 - deployment.startedAt).short },
            "active": !deployment.state.isFinal, "isPaused": deployment.state == .paused,
            "canPause": deployment.state == .running, "isWaiting": deployment.state == .waiting,
            "bad": deployment.state == .failed || deployment.state == .rolledBack
                || deployment.state == .rollingBack,
            "good": deployment.state == .succeeded,
        ])
    }

    /// How it stands.
    static func words(_ deployment: DeploymentView) -> String {
        switch deployment.state {
        case .running: "in progress"
        case .paused: "paused"
        case .waiting: "waits for your word: promote or abort"
        case .rollingBack: "going back to the version before"
        case .succeeded: "done"
        case .rolledBack: "failed, and went back: the version before it serves"
        case .failed: "failed"
        }
    }
}
