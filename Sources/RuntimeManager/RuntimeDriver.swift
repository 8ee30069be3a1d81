package import NIOCore
package import OrchModel

/// Is told what becomes of instances. Must not block.
package typealias RuntimeReport = @Sendable (InstanceID, RuntimeNews) -> Void

/// Starts and stops instances on one kind of substrate: plain processes, or a container engine.
///
/// A driver knows nothing of restarts, health or placement. Two rules make drivers interchangeable:
/// - ``start(_:)`` returns only once the instance exists, or throws and leaves nothing running.
/// - The end of an instance is reported once to whoever it was made for, whoever caused it.
package protocol RuntimeDriver: Sendable {
    /// Takes care of what was started, until the task is cancelled.
    func run() async

    /// - Parameter progress: told what takes long, such as fetching an image, at most once a second.
    /// - Throws: `notFound` when a program, file or image is missing, `invalidRequest` when the substrate rejects the launch,
    ///   `conflict` when a port is taken, `unavailable` when the substrate does not answer, `failed` for the rest.
    func start(_ launch: InstanceLaunch, progress: @escaping LaunchProgress) async throws(OrchError)
        -> RunningInstance

    /// Asks an instance to end, and ends it by force after `grace`. Returns when it has been asked.
    func stop(_ id: InstanceID, signal: Int32, grace: TimeSpan) async throws(OrchError)

    /// Takes over an instance that an earlier agent started, if there is one.
    ///
    /// - Parameter process: what is known of it.
    func adopt(_ id: InstanceID, process: ProcessIdentity?, ports: [String: Int]) async -> FoundInstance

    /// Forgets an instance that has ended. Its folder stays until its log is shipped.
    func discard(_ id: InstanceID) async

    /// Makes a check of an instance from within: runs a command there, or asks what its image's own check says.
    ///
    /// - Returns: what was wrong; `nil` when it passed.
    func check(_ id: InstanceID, _ health: HealthSpec) async -> String?

    /// Runs a command beside the instance's program, to its end. It is killed when the task is cancelled.
    ///
    /// - Parameters:
    ///   - input: what it reads.
    ///   - output: gets what it prints, in order.
    /// - Returns: its exit status; 128 and the number for a signal.
    /// - Throws: `conflict` when the instance does not run, `notFound` and `invalidRequest` when there is no such program.
    func execute(
        _ plan: ExecPlan, in id: InstanceID, input: some AsyncSequence<ExecInput, any Error> & Sendable,
        output: @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws(OrchError) -> Int32

    /// Hands out a file or folder of an instance as a tar archive, whose first entry has its name.
    ///
    /// - Throws: `notFound` or `failed` when it is not there.
    func readFiles(of id: InstanceID, path: String, _ body: @escaping @Sendable (ByteBuffer) async throws -> Void)
        async throws(OrchError)

    /// Unpacks a tar archive in a folder of an instance that is there.
    func writeFiles(
        to id: InstanceID, folder: String, _ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws(OrchError)

    /// - Returns: whether a path of an instance is a folder; `nil` when it is not there.
    func isFolder(in id: InstanceID, path: String) async throws(OrchError) -> Bool?

    /// The ports that an instance's processes listen at, and the bounds that it has run into; empty when it does not run.
    func observe(_ id: InstanceID) async -> InstanceObservation

    /// What an instance uses; `nil` when it does not run or cannot be asked.
    func usage(of id: InstanceID) async -> ResourceUsage?

    /// What a person should know about limits that cannot be set here.
    var notices: [String] { get async }
}

/// What can be seen of a running instance from outside.
package struct InstanceObservation: Sendable {
    package var listening: [Int] = []
    /// In words.
    package var limits: [String] = []
}
