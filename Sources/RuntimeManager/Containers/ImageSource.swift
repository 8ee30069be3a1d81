package import NIOCore
package import OrchModel

/// Has images that engines need not fetch from anywhere. OrchAgent joins it to the repository manager.
package protocol ImageSource: Sendable {
    /// - Parameter image: as the module has it.
    /// - Returns: `nil` for one that the engine fetches by itself.
    func image(_ image: String) async throws(OrchError) -> StoredImage?
}

/// An image as an archive that engines load.
package struct StoredImage: Sendable {
    /// What the engine calls it then; another content has another name.
    package var name: String
    /// Bytes of the archive.
    package var size: Int64
    package var archive: any AsyncSequence<ByteBuffer, any Error> & Sendable

    package init(name: String, size: Int64, archive: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        self.name = name
        self.size = size
        self.archive = archive
    }
}
