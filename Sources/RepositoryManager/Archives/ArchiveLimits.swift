import OrchModel

/// What an archive may unpack to at most: a small one can hold any number of zeros.
package struct ArchiveLimits: Sendable {
    /// Bytes of all files.
    package var bytes: Int64
    /// Files, folders and links.
    package var entries: Int
    /// Bytes of the UI part, which the load balancer keeps in memory.
    package var interfaceBytes: Int64

    package static let standard = ArchiveLimits(bytes: 8 << 30, entries: 100_000, interfaceBytes: 32 << 20)

    package init(bytes: Int64, entries: Int, interfaceBytes: Int64) {
        self.bytes = bytes
        self.entries = entries
        self.interfaceBytes = interfaceBytes
    }

    /// - Parameter adding: what is claimed to come besides.
    func check(bytes: Int64, adding: Int64 = 0, entries: Int, of name: String) throws(OrchError) {
        guard bytes.clampedSum(max(0, adding)) <= self.bytes else {
            throw OrchError(
                .invalidRequest,
                "\(name) unpacks to more than \(ByteSize(bytes: self.bytes)): start the agent with a larger --artifact-size"
            )
        }
        guard entries <= self.entries else {
            throw OrchError(.invalidRequest, "\(name) holds more than \(self.entries) files, folders and links")
        }
    }
}
