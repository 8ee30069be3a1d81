import ContainerEngine
package import NIOCore
package import OrchModel

/// Files in containers.
extension ContainerDriver {
    package func readFiles(
        of id: InstanceID, path: String, _ body: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws(OrchError) {
        let entry = try entry(of: id)
        try await client(at: entry.engine).readFiles(of: entry.container, path: path, body)
    }

    package func writeFiles(
        to id: InstanceID, folder: String, _ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws(OrchError) {
        let entry = try entry(of: id)
        try await client(at: entry.engine).writeFiles(to: entry.container, folder: folder, archive)
    }

    package func isFolder(in id: InstanceID, path: String) async throws(OrchError) -> Bool? {
        let entry = try entry(of: id)
        return try await client(at: entry.engine).isFolder(in: entry.container, path: path)
    }

    func entry(of id: InstanceID) throws(OrchError) -> Running {
        guard let entry = running[id] else {
            throw OrchError(.conflict, "\(id) does not run: 'orch start \(id)' starts it")
        }
        return entry
    }
}
