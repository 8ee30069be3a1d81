/// A version of a service that it can go back to.
package struct RevisionView: Codable, Sendable {
    package var number: Int
    package var version: String
    package var deployedAt: Timestamp
    /// Whether it is the one that shall run.
    package var isTarget: Bool
    /// Whether it has replaced what was before it.
    package var hasHeld: Bool

    package init(number: Int, version: String, deployedAt: Timestamp, isTarget: Bool, hasHeld: Bool) {
        self.number = number
        self.version = version
        self.deployedAt = deployedAt
        self.isTarget = isTarget
        self.hasHeld = hasHeld
    }

    package enum CodingKeys: String, CodingKey {
        case number, version
        case deployedAt = "deployed_at"
        case isTarget = "is_target"
        case hasHeld = "has_held"
    }
}

/// What became of a service: its deployments, the newest first, and the revisions that are kept.
package struct HistoryView: Codable, Sendable {
    package var module: ModuleName
    package var revisions: [RevisionView]
    package var deployments: [DeploymentView]

    package init(module: ModuleName, revisions: [RevisionView], deployments: [DeploymentView]) {
        self.module = module
        self.revisions = revisions
        self.deployments = deployments
    }
}
