import AsyncAlgorithms
import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import ServiceLifecycle

/// An answer whose body is made while it is sent.
enum StreamedAnswer {
    /// - Parameter produce: sends the body bit by bit. It is cancelled when the client goes away or the agent ends, and
    ///   waits while the client is slow. Where it throws, the answer breaks off before its end.
    static func response(
        type: String,
        _ produce:
            @escaping @Sendable (_ send: @escaping @Sendable (ByteBuffer) async throws -> Void) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            let channel = AsyncThrowingChannel<ByteBuffer, any Error>()
            // A stream that follows would hold up the agent's end for ever.
            async let feeding: Void = cancelWhenGracefulShutdown { await feed(channel, produce) }
            for try await bytes in channel { try await writer.write(bytes) }
            await feeding
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: "no-store", .orchVersion: OrchVersion.current], body: body)
    }

    private static func feed(
        _ channel: AsyncThrowingChannel<ByteBuffer, any Error>,
        _ produce: (_ send: @escaping @Sendable (ByteBuffer) async throws -> Void) async throws -> Void
    ) async {
        do {
            try await produce { bytes in
                await channel.send(bytes)
                try Task.checkCancellation()
            }
            // An answer that was cut short must not look like a whole one.
            try Task.checkCancellation()
            channel.finish()
        } catch {
            channel.fail(error)
        }
    }
}
