import FoundationEssentials
import NIOCore
import NIOHTTP1
package import OrchModel

extension AgentClient {
    /// Runs a command in an instance to its end.
    ///
    /// - Parameters:
    ///   - input: what it reads.
    ///   - whenTaken: called when the next item of the input is wanted.
    ///   - output: gets what it prints.
    /// - Returns: its exit status.
    /// - Throws: what the agent says when it cannot be run; `unavailable` when the connection breaks.
    package func execute(
        _ plan: ExecPlan, in instance: InstanceID, input: AsyncStream<ExecInput>,
        whenTaken: @escaping @Sendable () -> Void, output: (ExecOutput) throws -> Void
    ) async throws(OrchError) -> Int32 {
        var query = plan.command.map { ("command", $0) }
        query.append(("stdin", String(plan.takesInput)))
        if let size = plan.terminal { query += [("rows", String(size.rows)), ("columns", String(size.columns))] }
        do {
            var head = try request("POST", "/v1/instances/\(instance)/exec", query, nil).head
            head.headers.remove(name: "content-length")
            head.headers.add(name: "transfer-encoding", value: "chunked")
            return try await HTTPConnection.converse(head, at: door, sending: input) { item in
                whenTaken()
                return ByteBuffer(bytes: ExecMessage.input(item).encoded)
            } _: { head, body in
                guard head.status == .ok else {
                    try Self.check(head.status, try await body.collect(upTo: Self.largestAnswer))
                    throw ChannelError.inputClosed
                }
                return try await Self.follow(body, output)
            }
        } catch {
            throw translate(error)
        }
    }

    private static func follow(_ body: HTTPConnection.Body, _ output: (ExecOutput) throws -> Void) async throws -> Int32
    {
        var reader = ExecMessageReader()
        for try await bytes in body {
            reader.add(bytes.readableBytesView)
            while let message = try reader.next() {
                switch message {
                case .output(let text): try output(text)
                case .exit(let status): return status
                case .failure(let bytes):
                    let failure = try JSONDecoder().decode(ErrorBody.self, from: Data(bytes))
                    throw OrchError(.init(wireName: failure.error), failure.message)
                case .input: break
                }
            }
        }
        throw OrchError(.unavailable, "the agent ended before the command did")
    }
}
