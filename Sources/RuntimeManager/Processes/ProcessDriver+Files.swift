package import NIOCore
package import OrchModel
import OrchSystem
import Synchronization

/// Files beside an instance's program: those of this machine, from its working directory on, as its user may read and write
/// them. The system's tar packs and unpacks.
extension ProcessDriver {
    package func readFiles(
        of id: InstanceID, path: String, _ body: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws(OrchError) {
        let place = try place(of: path, id)
        let name = place.split(separator: "/").last.map(String.init) ?? "."
        let words = ["tar", "-C", Files.parent(of: place), "-cf", "-", "--", name]
        try await runTar(words, id, input: AsyncThrowingStream<ExecInput, any Error> { $0.finish() }, body)
    }

    package func writeFiles(
        to id: InstanceID, folder: String, _ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws(OrchError) {
        let words = ["tar", "-C", try place(of: folder, id), "-xf", "-"]
        try await runTar(words, id, input: archive.map { ExecInput.bytes(Array($0.readableBytesView)) }) { _ in }
    }

    package func isFolder(in id: InstanceID, path: String) async throws(OrchError) -> Bool? {
        let place = try place(of: path, id)
        return Files.exists(place) ? Files.isFolder(place) : nil
    }

    private func place(of path: String, _ id: InstanceID) throws(OrchError) -> String {
        var place = Files.resolve(path, in: try program(of: id).workdir)
        while place.count > 1, place.hasSuffix("/") { place.removeLast() }
        return place
    }

    private func runTar<Input: AsyncSequence & Sendable>(
        _ words: [String], _ id: InstanceID, input: Input,
        _ body: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws(OrchError) where Input.Element == ExecInput, Input.Failure == any Error {
        let plan = ExecPlan(command: words, terminal: nil, takesInput: true)
        let complaint = Complaint()
        let status = try await execute(plan, in: id, input: input) { output in
            switch output {
            case .output(let bytes): try await body(ByteBuffer(bytes: bytes))
            case .errors(let bytes): complaint.text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
            }
        }
        guard status == 0 else {
            let line = complaint.text.withLock(\.self).split(separator: "\n").first ?? "tar ended with \(status)"
            throw OrchError(.failed, String(line))
        }
    }

    /// What tar has to say.
    private final class Complaint: Sendable {
        let text = Mutex("")
    }
}
