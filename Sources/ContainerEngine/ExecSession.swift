import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
package import OrchModel
import OrchSystem
import Synchronization

/// A command within a container that is talked to while it runs.
extension EngineClient {
    private struct Created: Decodable {
        var id: String
        enum CodingKeys: String, CodingKey { case id = "Id" }
    }

    private struct State: Decodable {
        var isRunning: Bool
        var exitCode: Int32?
        /// On this machine.
        var pid: Int32?
        enum CodingKeys: String, CodingKey {
            case isRunning = "Running"
            case exitCode = "ExitCode"
            case pid = "Pid"
        }
    }

    /// How long the engine may take to note how a command ended.
    private static let endPatience = Duration.seconds(5)
    private static let longestHead = 65_536

    /// Runs a command in a container to its end.
    ///
    /// - Parameters:
    ///   - input: what it reads; ends when it does.
    ///   - whenCancelled: gets the command's process on this machine, which the engine leaves running when nobody listens.
    /// - Returns: its exit status.
    /// - Throws: `conflict` when the container does not run or is paused.
    package func execute(
        _ plan: ExecPlan, in container: String, input: some AsyncSequence<ExecInput, any Error> & Sendable,
        output: @escaping @Sendable (ExecOutput) async throws -> Void,
        whenCancelled: @escaping @Sendable (Int32) -> Void
    ) async throws(OrchError) -> Int32 {
        let hasTerminal = plan.terminal != nil
        let created: Created = try await post(
            "/containers/\(container.percentEncoded)/exec",
            body: [
                "AttachStdin": .bool(plan.takesInput), "AttachStdout": true, "AttachStderr": true,
                "Tty": .bool(hasTerminal), "Cmd": .array(plan.command.map(JSONValue.string)),
                "Env": hasTerminal ? ["TERM=xterm"] : [],
            ])
        let id = created.id
        let abandonment = Flag()
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                let channel = try await connect()
                try await channel.executeThenClose { inbound, outbound in
                    try await outbound.write(startRequest(id, hasTerminal: hasTerminal))
                    var bytes = inbound.makeAsyncIterator()
                    var rest = try await head(&bytes)
                    let connection = channel.channel
                    group.addTask {
                        do {
                            if let size = plan.terminal { await resize(id, size) }
                            try await write(input, to: id, outbound)
                        } catch {
                            // Whoever asked for it is gone: there is nothing to read any more either.
                            abandonment.set()
                            connection.close(promise: nil)
                            throw error
                        }
                    }
                    var decoder = OutputDecoder()
                    repeat {
                        if hasTerminal {
                            if rest.readableBytes > 0 { try await output(.output(Array(rest.readableBytesView))) }
                        } else {
                            decoder.add(rest)
                            while let frame = try decoder.next() {
                                try await output(frame.stream == .error ? .errors(frame.bytes) : .output(frame.bytes))
                            }
                        }
                        guard let next = try await bytes.next(isolation: #isolation) else { break }
                        rest = next
                    } while true
                }
                // An input that failed has ended the reading, and tells why; any other is of no use now.
                if abandonment.isSet { try await group.waitForAll() }
                group.cancelAll()
            }
            try Task.checkCancellation()
            return try await status(of: id)
        } catch {
            if let state: State = try? await unlessCancelled({ try await get("/exec/\(id)/json") }), state.isRunning,
                let pid = state.pid, pid > 1, Self.isProcess(pid, of: container)
            {
                whenCancelled(pid)
            }
            throw OrchError(wrapping: error, "\(name) ended the connection to the command")
        }
    }

    private func write(
        _ input: some AsyncSequence<ExecInput, any Error> & Sendable, to id: String,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        for try await item in input {
            switch item {
            // A command that does not read any more is no failure.
            case .bytes(let bytes): try? await outbound.write(ByteBuffer(bytes: bytes))
            case .end: outbound.finish()
            case .resize(let size): await resize(id, size)
            }
        }
    }

    /// The engine may be on another machine, or we in a container ourselves: then its numbers are not ours.
    private static func isProcess(_ pid: Int32, of container: String) -> Bool {
        (try? Files.readText("/proc/\(pid)/cgroup"))?.contains(container) ?? false
    }

    /// Runs something also for a task that is cancelled already.
    private func unlessCancelled<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws
        -> Value
    {
        try await Task { try await body() }.value
    }

    private func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(unixDomainSocketPath: address.socket) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
    }

    /// Asks the engine to let go of HTTP (Docker Engine API, "Start an exec instance"): after the answer's head both sides send
    /// what they like.
    private func startRequest(_ id: String, hasTerminal: Bool) -> ByteBuffer {
        let body = "{\"Detach\":false,\"Tty\":\(hasTerminal)}"
        return ByteBuffer(
            string: """
                POST /v\(apiVersion)/exec/\(id)/start HTTP/1.1\r
                Host: engine\r
                Content-Type: application/json\r
                Content-Length: \(body.utf8.count)\r
                Connection: Upgrade\r
                Upgrade: tcp\r
                \r
                \(body)
                """)
    }

    /// Reads the head of the answer.
    ///
    /// - Returns: what has come behind it.
    /// - Throws: what the engine says when it does not start the command.
    private func head(_ bytes: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) async throws -> ByteBuffer
    {
        var received = ByteBuffer()
        while received.readableBytes < Self.longestHead, var next = try await bytes.next(isolation: #isolation) {
            received.writeBuffer(&next)
            let text = String(decoding: received.readableBytesView, as: UTF8.self)
            guard let end = received.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)) else { continue }
            let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            received.moveReaderIndex(to: end.upperBound)
            if status == 101 || status == 200 { return received }
            // The connection stays open behind an answer.
            let fields = text.lowercased().split(separator: "\r\n")
            let length = fields.first { $0.hasPrefix("content-length:") }.flatMap {
                Int($0.dropFirst(15).filter(\.isNumber))
            }
            while received.readableBytes < length ?? 0, var next = try await bytes.next(isolation: #isolation) {
                received.writeBuffer(&next)
            }
            try Self.check(.init(statusCode: status), received)
            break
        }
        throw OrchError(.failed, "\(name) answers something else than expected")
    }

    private func resize(_ id: String, _ size: TerminalSize) async {
        // A command that has just ended has no terminal any more.
        _ = try? await call(
            .POST, "/exec/\(id)/resize", query: [("h", String(size.rows)), ("w", String(size.columns))])
    }

    private func status(of id: String) async throws -> Int32 {
        let deadline = ContinuousClock.now + Self.endPatience
        while true {
            let state: State = try await get("/exec/\(id)/json")
            if !state.isRunning, let code = state.exitCode { return code }
            guard .now < deadline else {
                throw OrchError(.failed, "\(name) does not tell how the command ended")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// Something that happened, or not yet.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}
