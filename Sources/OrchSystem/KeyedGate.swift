/// Lets one task after the other through, for each key by itself.
package actor KeyedGate {
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    package init() {}

    /// Calls `body` while nobody else passes with the same key. Those who wait come in the order they came; a task that is
    /// cancelled waits all the same.
    package func pass<Value: Sendable, Failure: Error>(
        _ key: String, _ body: @Sendable () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        if waiting[key] == nil {
            waiting[key] = []
        } else {
            await withCheckedContinuation { waiting[key]?.append($0) }
        }
        defer {
            if let next = waiting[key]?.first {
                waiting[key]?.removeFirst()
                next.resume()
            } else {
                waiting[key] = nil
            }
        }
        return try await body()
    }
}
