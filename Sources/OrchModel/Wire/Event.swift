/// Something that happened, in the order it happened.
package struct Event: Codable, Sendable {
    package var sequence: Int64
    package var at: Timestamp
    /// What happened, as in `instance.healthy`.
    package var kind: String
    package var module: ModuleName?
    package var instance: InstanceID?
    package var deployment: DeploymentID?
    package var message: String
    /// How far it is, for what takes long.
    package var progress: WorkProgress?

    package init(
        sequence: Int64 = 0, at: Timestamp, kind: String, module: ModuleName? = nil, instance: InstanceID? = nil,
        deployment: DeploymentID? = nil, message: String, progress: WorkProgress? = nil
    ) {
        self.sequence = sequence
        self.at = at
        self.kind = kind
        self.module = module
        self.instance = instance
        self.deployment = deployment
        self.message = message
        self.progress = progress
    }
}

/// How far something is.
package struct WorkProgress: Codable, Hashable, Sendable {
    /// In bytes.
    package var done: Int64
    package var total: Int64

    package init(done: Int64, total: Int64) {
        self.done = done
        self.total = total
    }
}
