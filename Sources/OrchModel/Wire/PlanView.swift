/// What a deploy would do.
package struct PlanView: Codable, Sendable {
    package struct Change: Codable, Sendable {
        package var key: String
        package var from: String?
        package var to: String?

        package init(key: String, from: String?, to: String?) {
            self.key = key
            self.from = from
            self.to = to
        }
    }
    package var module: ModuleName
    package var fromRevision: Int?
    package var changes: [Change]
    package var start: Int
    package var stop: Int
    /// How it would be done, in words.
    package var steps: [String]
    /// What it was planned against, for `--check-index`.
    package var index: Int

    package init(
        module: ModuleName, fromRevision: Int?, changes: [Change], start: Int, stop: Int, steps: [String], index: Int
    ) {
        self.module = module
        self.fromRevision = fromRevision
        self.changes = changes
        self.start = start
        self.stop = stop
        self.steps = steps
        self.index = index
    }

    package enum CodingKeys: String, CodingKey {
        case module, changes, start, stop, steps, index
        case fromRevision = "from_revision"
    }
}
