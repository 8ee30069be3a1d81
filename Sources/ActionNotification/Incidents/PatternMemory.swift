import OrchModel

/// Which kinds of lines each module has printed, to tell new ones after a deploy.
struct PatternMemory: Sendable {
    /// Kinds that are remembered of a module.
    private static let most = 2000

    /// By module; `nil` for one that nothing was heard of.
    private(set) var known: [String: Set<String>]
    /// Modules that were deployed since something of theirs was known, so that what comes now may be new.
    private(set) var deployed: Set<String>
    private var added: [(module: String, shape: String)] = []

    init(known: [String: Set<String>], deployed: Set<String>) {
        self.known = known
        self.deployed = deployed
    }

    mutating func noteDeploy(of module: String) {
        // A module of which nothing is known has nothing that would be new.
        if known[module] != nil { deployed.insert(module) }
    }

    /// - Parameter shape: the line without what varies.
    /// - Returns: whether it is the first such line since the last deploy, and none came before.
    mutating func isNew(_ shape: String, of module: String) -> Bool {
        guard known[module, default: []].count < Self.most, known[module, default: []].insert(shape).inserted else {
            return false
        }
        added.append((module, shape))
        return deployed.contains(module)
    }

    /// What is known since the last call, to be written down.
    mutating func takeAdded() -> [(module: String, shape: String)] {
        defer { added = [] }
        return added
    }
}
