package import OrchModel

/// Starts and stops instances on one kind of substrate: plain processes, or a container engine.
///
/// A driver knows nothing of restarts, health or placement. Two rules make drivers interchangeable:
/// - ``start(_:)`` returns only once the instance exists, or throws and leaves nothing running.
/// - The end of an instance is reported once through ``exits``, whoever caused it; cancelling whoever listens ends nothing.
package protocol RuntimeDriver: Sendable {
    /// The ends of instances that were started or adopted here.
    var exits: AsyncStream<(InstanceID, Exit)> { get }

    /// - Throws: `notFound` when a program or file is missing, `invalidRequest` when the substrate rejects the launch,
    ///   `conflict` when a port is taken, `failed` for the rest.
    func start(_ launch: InstanceLaunch) async throws(OrchError) -> RunningInstance

    /// Asks an instance to end, and ends it by force after `grace`. Returns when it has been asked.
    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError)

    /// Takes over an instance that an earlier agent started, if there is one.
    ///
    /// - Parameter process: what is known of it.
    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance

    /// Forgets an instance that has ended. Its folder stays until its log is shipped.
    func discard(_ id: InstanceID) async

    /// The ports that an instance's processes listen at, and the bounds that it has run into; empty when it does not run.
    func observe(_ id: InstanceID) async -> InstanceObservation

    /// What a person should know about limits that cannot be set here.
    var notices: [String] { get async }
}

/// What can be seen of a running instance from outside.
package struct InstanceObservation: Sendable {
    package var listening: [Int] = []
    /// In words.
    package var limits: [String] = []
}
