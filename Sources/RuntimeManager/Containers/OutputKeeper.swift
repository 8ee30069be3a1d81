package import OrchModel

/// Keeps what containers print until it is shipped. OrchAgent joins it to the logging module.
package protocol OutputKeeper: Sendable {
    /// Begins or goes on with the output of an instance.
    ///
    /// - Parameter source: where it comes from now, such as a container: what is there already of just this is left out.
    /// - Returns: from when on output is wanted; `nil` for all.
    func open(_ id: InstanceID, spool: String, source: String, limits: LogSpec) async throws(OrchError) -> Timestamp?

    /// Takes output, in order. Waits while there is no room and none shall be lost.
    ///
    /// - Throws: `CancellationError`.
    func keep(_ entries: [OutputEntry], of id: InstanceID) async throws

    func close(_ id: InstanceID) async
}
