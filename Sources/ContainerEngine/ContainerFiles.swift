import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import OrchModel

/// Files in containers, which need no shell there (Docker Engine API, "Get an archive of a filesystem resource in a container").
extension EngineClient {
    /// A file or folder as a tar archive, whose first entry has its name.
    ///
    /// - Throws: `notFound` when it is not there.
    package func readFiles(
        of container: String, path: String, _ body: (ByteBuffer) async throws -> Void
    ) async throws(OrchError) {
        try await stream(.GET, "/containers/\(container.percentEncoded)/archive", query: [("path", path)]) { chunks in
            for try await chunk in chunks { try await body(chunk) }
        }
    }

    /// Unpacks a tar archive in a folder that is there.
    package func writeFiles(
        to container: String, folder: String, _ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws(OrchError) {
        try await stream(
            .PUT, "/containers/\(container.percentEncoded)/archive", query: [("path", folder)],
            sending: .stream(archive, length: .unknown)
        ) { chunks in
            for try await _ in chunks {}
        }
    }

    /// - Returns: whether a path is a folder; `nil` when it is not there.
    package func isFolder(in container: String, path: String) async throws(OrchError) -> Bool? {
        do throws(OrchError) {
            // A trailing slash and dot are there for folders alone.
            try await call(
                .HEAD, "/containers/\(container.percentEncoded)/archive", query: [("path", path + "/.")])
            return true
        } catch {
            guard [.notFound, .failed, .invalidRequest].contains(error.code) else { throw error }
        }
        do throws(OrchError) {
            try await call(.HEAD, "/containers/\(container.percentEncoded)/archive", query: [("path", path)])
            return false
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }
}
