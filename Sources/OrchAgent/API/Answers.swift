import AsyncAlgorithms
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import ServiceLifecycle

enum JSONAnswer {
    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Response(
            status: status, headers: [.contentType: "application/json", .orchVersion: OrchVersion.current],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(value))))
    }

    static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
        Response(status: .ok, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

extension HTTPField.Name {
    /// Says which version of the agent answers.
    static let orchVersion = HTTPField.Name("Orch-Version")!
}

/// Server-sent events (WHATWG HTML, 9.2): an answer that goes on.
enum EventStream {
    private static let heartbeat = Duration.seconds(5)

    /// What goes over the stream.
    enum Chunk: Sendable {
        case lines([LogLine])
        case events([Event])
        /// Everything that was asked for has been sent.
        case end
        /// A comment, which tells whether the other end is still there.
        case ping
        case failure(ErrorBody)

        func encoded() throws -> ByteBuffer {
            switch self {
            case .lines(let lines): try Self.encode(lines.map { ($0, nil) }, as: "line")
            case .events(let events): try Self.encode(events.map { ($0, $0.sequence) }, as: "event")
            case .end: try Self.encode([(true, nil)], as: "end")
            case .ping: ByteBuffer(string: ": ping\n\n")
            case .failure(let body): try Self.encode([(body, nil)], as: "error")
            }
        }

        private static func encode<Value: Encodable>(_ values: [(value: Value, id: Int64?)], as kind: String) throws
            -> ByteBuffer
        {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            var buffer = ByteBuffer()
            for (value, id) in values {
                if let id { buffer.writeString("id: \(id)\n") }
                buffer.writeString("event: \(kind)\ndata: ")
                buffer.writeBytes(try encoder.encode(value))
                buffer.writeString("\n\n")
            }
            return buffer
        }
    }

    /// An answer whose body `produce` hands out. It is cancelled when the client goes away, and waits while it is slow.
    static func response(
        _ produce: @escaping @Sendable (_ emit: @escaping @Sendable (Chunk) async throws -> Void) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            let channel = AsyncChannel<Chunk>()
            let feeder = Feeder(channel: channel, produce: produce)
            // A stream that follows would hold up the agent's end for ever.
            async let feeding: Void = cancelWhenGracefulShutdown { await feeder.run() }
            do {
                for await chunk in channel { try await writer.write(chunk.encoded()) }
            } catch {
                // The client is gone: nobody is left to tell. Leaving the scope cancels the feeder.
                return
            }
            await feeding
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .orchVersion: OrchVersion.current],
            body: body)
    }

    private struct Feeder: Sendable {
        let channel: AsyncChannel<Chunk>
        let produce: @Sendable (_ emit: @escaping @Sendable (Chunk) async throws -> Void) async throws -> Void

        func run() async {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while (try? await Task.sleep(for: heartbeat)) != nil { await channel.send(.ping) }
                }
                do {
                    try await produce { chunk in
                        await channel.send(chunk)
                        try Task.checkCancellation()
                    }
                } catch is CancellationError {
                } catch {
                    await channel.send(.failure(ErrorBody(OrchError(wrapping: error, "the stream broke off"))))
                }
                channel.finish()
                group.cancelAll()
            }
        }
    }
}
