import OrchSystem

/// A piece of a page that is replaced as a whole when it has changed.
package struct PagePart: Codable, Sendable {
    /// The `id` of its outermost element.
    package var id: String
    package var html: String
}

/// Finds out which parts of a page are not any more as the browser has them.
package struct LiveParts: Sendable {
    private var known: [String: UInt64] = [:]

    package init() {}

    /// Those that differ from the time before, all of them at first.
    package mutating func changed(_ parts: [PagePart]) -> [PagePart] {
        parts.filter { part in
            let hash = QuickHash.hash(part.html.utf8)
            return known.updateValue(hash, forKey: part.id) != hash
        }
    }
}
