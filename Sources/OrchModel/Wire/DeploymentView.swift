package struct DeploymentView: Codable, Sendable {
    package enum Kind: String, Codable, Sendable { case deploy, rollback, start, stop, restart, scale, remove }
    package enum State: String, Codable, Sendable {
        case running
        /// Stands still because somebody said so, or because it failed and shall not go back by itself.
        case paused
        /// A canary that waits to be promoted or aborted.
        case waiting
        case rollingBack = "rolling_back"
        case succeeded
        case rolledBack = "rolled_back"
        case failed

        package var isFinal: Bool { [.succeeded, .rolledBack, .failed].contains(self) }

        /// Whether it goes on only when somebody says how.
        package var standsStill: Bool { self == .paused || self == .waiting }
    }
    package var id: DeploymentID
    package var module: ModuleName
    package var kind: Kind
    package var fromRevision: Int?
    package var toRevision: Int
    package var state: State
    package var reason: String
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?
    /// Last log lines of the instance that made it fail.
    package var lastLines: [String]

    package init(
        id: DeploymentID, module: ModuleName, kind: Kind, fromRevision: Int?, toRevision: Int, state: State,
        reason: String, startedAt: Timestamp, finishedAt: Timestamp?, lastLines: [String]
    ) {
        self.id = id
        self.module = module
        self.kind = kind
        self.fromRevision = fromRevision
        self.toRevision = toRevision
        self.state = state
        self.reason = reason
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.lastLines = lastLines
    }

    package enum CodingKeys: String, CodingKey {
        case id, module, kind, state, reason
        case fromRevision = "from_revision"
        case toRevision = "to_revision"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case lastLines = "last_lines"
    }
}
