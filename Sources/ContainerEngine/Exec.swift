import AsyncHTTPClient
import NIOCore
import NIOHTTP1
package import OrchModel

/// How a command within a container ended.
package struct ExecOutcome: Sendable {
    package var status: Int32
    /// The beginning of what it printed.
    package var output: String
}

extension EngineClient {
    /// What is kept of a command's output, in bytes.
    private static let longestOutput = 4096

    /// Runs a command in a container to its end.
    ///
    /// - Throws: `conflict` when the container does not run or is paused.
    package func execute(_ command: [String], in container: String) async throws(OrchError) -> ExecOutcome {
        struct Created: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        struct Ended: Decodable {
            var exitCode: Int32?
            enum CodingKeys: String, CodingKey { case exitCode = "ExitCode" }
        }
        let created: Created = try await post(
            "/containers/\(container.percentEncoded)/exec",
            body: [
                "AttachStdout": true, "AttachStderr": true, "Cmd": .array(command.map(JSONValue.string)),
            ])
        let output = try await stream(
            .POST, "/exec/\(created.id)/start", body: ["Detach": false, "Tty": false]
        ) { chunks in
            var decoder = OutputDecoder()
            var output: [UInt8] = []
            for try await chunk in chunks {
                decoder.add(chunk)
                while let frame = try decoder.next() {
                    output += frame.bytes.prefix(Self.longestOutput - output.count)
                }
            }
            return String(decoding: output, as: UTF8.self)
        }
        let ended: Ended = try await get("/exec/\(created.id)/json")
        return ExecOutcome(status: ended.exitCode ?? -1, output: output)
    }
}
