import FoundationEssentials
import HTTPTypes
import Hummingbird
import LoggingModule
import NIOCore
import OrchModel
import RequestManager

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
        /// Where reading goes on behind the lines before; for whoever comes back.
        case position(LogPosition)
        case events([Event])
        /// The workload that was followed has ended with this status.
        case exit(Int32)
        /// What a build prints.
        case output(String)
        /// What a build has made.
        case artifact(ArtifactView)
        /// A part of a page that has changed.
        case part(PagePart)
        /// What a page shows is not there any more.
        case gone(ErrorBody)
        /// Everything that was asked for has been sent.
        case end
        /// A comment, which tells whether the other end is still there.
        case ping
        case failure(ErrorBody)

        func encoded() throws -> ByteBuffer {
            switch self {
            case .lines(let lines): Self.encode(lines)
            case .position(let position): ByteBuffer(string: "event: position\ndata: \(position)\n\n")
            case .exit(let status): ByteBuffer(string: "event: exit\ndata: \(status)\n\n")
            case .output(let text): try Self.encode([(text, nil)], as: "output")
            case .artifact(let artifact): try Self.encode([(artifact, nil)], as: "artifact")
            case .events(let events): try Self.encode(events.map { ($0, $0.sequence) }, as: "event")
            case .part(let part): try Self.encode([(part, nil)], as: "part")
            case .gone(let body): try Self.encode([(body, nil)], as: "gone")
            case .end: try Self.encode([(true, nil)], as: "end")
            case .ping: ByteBuffer(string: ": ping\n\n")
            case .failure(let body): try Self.encode([(body, nil)], as: "error")
            }
        }

        private static func encode(_ lines: [LogLine]) -> ByteBuffer {
            var buffer = ByteBuffer()
            for line in lines {
                buffer.writeStaticString("event: line\ndata: ")
                LogLineJSON.write(line, into: &buffer)
                buffer.writeStaticString("\n\n")
            }
            return buffer
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

    /// An answer that `produce` hands out. It is cancelled when the client goes away, and waits while it is slow.
    static func response(
        _ produce: @escaping @Sendable (_ emit: @escaping @Sendable (Chunk) async throws -> Void) async throws -> Void
    ) -> Response {
        StreamedAnswer.response(type: "text/event-stream") { send in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while (try? await Task.sleep(for: heartbeat)) != nil { try await send(Chunk.ping.encoded()) }
                }
                do {
                    try await produce { chunk in try await send(chunk.encoded()) }
                } catch let error where !(error is CancellationError) {
                    let body = ErrorBody(OrchError(wrapping: error, "the stream broke off"))
                    try await send(Chunk.failure(body).encoded())
                }
                group.cancelAll()
            }
        }
    }
}
