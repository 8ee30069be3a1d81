import OrchModel

/// The deployment interface: what shall run, what that would change, and the deployments of lately.
struct DeployPage: Page {
    let form: DeployForm
    var outcome = DeployForm.Outcome()
    let title = "Deployment interface"
    let menu = Menu.deploy
    let still: Set<String> = ["form"]

    private static let shownRequests = 8

    func parts(_ view: PageView) async throws -> [PagePart] {
        let (modules, servers) = (await view.plane.modules(), await view.plane.servers())
        let artifacts = await view.plane.artifacts().filter { $0.kind == .bundle || $0.kind == .image }
        var choices = modules.map { module in
            ["value": module.name.rawValue, "text": "\(module.name) \(module.version) (\(module.source.rawValue))"]
        }
        choices += artifacts.map { ["value": "\($0.name):\($0.version)", "text": "\($0.name):\($0.version)"] }
        let chosen = form.module
        var fields = form.fields
        fields["modules"] = choices.map { choice in
            ["value": choice["value"] ?? "", "text": choice["text"] ?? "", "chosen": choice["value"] == chosen]
                as Fields
        }
        fields["strategies"] = UpdateSpec.Strategy.allCases.map {
            ["value": $0.rawValue, "chosen": $0.rawValue == form.strategy] as Fields
        }
        fields["runtimes"] = RuntimeKind.allCases.map {
            ["value": $0.rawValue, "chosen": $0.rawValue == form.runtime] as Fields
        }
        fields["servers"] = servers.map { ["value": $0, "chosen": $0 == form.server] as Fields }
        fields["plan"] = outcome.plan.map(Self.fields)
        fields["planned"] = form.fingerprint
        let isUnknown = chosen.map { name in !choices.contains { $0["value"] == name } } ?? false
        fields["refusal"] =
            outcome.refusal
            ?? (isUnknown
                ? "There is no module \((chosen ?? "").quotedOneLine): choose one that is known, or upload it." : nil)
        fields["mistakes"] = outcome.mistakes.map { ["line": $0.line, "column": $0.column, "message": $0.message] }
        let deployments = await view.plane.services().compactMap(\.deployment)
        var latest: [Fields] = []
        for id in deployments.prefix(Self.shownRequests) {
            if let deployment = try? await view.plane.deployment(id) { latest.append(RolloutPage.row(deployment)) }
        }
        return [
            view.part("form", "deploy-form", fields),
            view.part("latest", "deploy-latest", ["deployments": latest, "none": latest.isEmpty]),
        ]
    }

    private static func fields(_ plan: PlanView) -> Fields {
        Fields(present: [
            "module": plan.module, "isNew": plan.fromRevision == nil, "index": plan.index, "start": plan.start,
            "stop": plan.stop, "steps": plan.steps, "nothing": plan.changes.isEmpty && plan.start == 0,
            "changes": plan.changes.map { change in
                Fields(present: ["key": change.key, "from": change.from, "to": change.to])
            },
        ])
    }
}
