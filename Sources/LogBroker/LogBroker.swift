package import Logging
import NIOCore
import NIOPosix
import OrchModel
import OrchSystem
import ServiceLifecycle
import Synchronization

/// A single-node broker that speaks the Kafka protocol on loopback over a durable log.
///
/// Any Kafka client can attach: there are topics, partitions, idempotent producers, consumer groups, and reading by offset
/// and time. There are no replicas, no transactions and no authentication, so it never listens beyond loopback.
package struct LogBroker: Service {
    /// Larger requests close the connection before they take memory.
    private static let largestFrame = 16 << 20
    private static let host = "127.0.0.1"
    /// A batch of records mostly has hundreds of kilobytes: few reads take it in.
    private static let readSizes = AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 65_536, maximum: 1 << 20)
    /// Further clients are refused: each may hold a request and an answer in memory.
    private static let mostConnections = 500
    /// How often records are looked at that are too old.
    private static let expiryInterval = Duration.seconds(3600)

    private let settings: BrokerSettings
    private let store: BrokerStore
    private let groups: GroupCoordinator
    private let needsSync = Signal()
    private let logger: Logger
    private let listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>

    /// The port it listens at.
    package let port: Int

    /// For readers in the same process.
    package var topics: LocalTopics { LocalTopics(store: store) }

    /// Opens the log and listens. Clients are answered once ``run()`` runs.
    ///
    /// - Throws: when the folder cannot be used or the port is taken.
    package init(settings: BrokerSettings, logger: Logger) async throws {
        self.settings = settings
        self.logger = logger
        store = BrokerStore(settings: settings, needsSync: needsSync)
        groups = GroupCoordinator(settings: settings, needsSync: needsSync)
        for torn in try await store.open() {
            logger.warning(
                "the end of a topic was damaged; it was cut off and lies beside the segment",
                metadata: [
                    "topic": "\(torn.place.topic)", "partition": "\(torn.place.partition)", "bytes": "\(torn.bytes)",
                ])
        }
        try await groups.open()
        do {
            listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.recvAllocator, value: Self.readSizes)
                .bind(host: Self.host, port: settings.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            ByteToMessageHandler(FrameDecoder(largest: Self.largestFrame)))
                        // One request after the other.
                        return try NIOAsyncChannel(
                            wrappingChannelSynchronously: channel,
                            configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 1)))
                    }
                }
        } catch let error as IOError where error.errnoCode == 98 {
            throw OrchError(
                .conflict, "port \(settings.port) for the log broker is taken: choose another with --broker-port",
                cause: error)
        }
        port = listener.channel.localAddress?.port ?? settings.port
    }

    package func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await syncNowAndThen() }
            group.addTask {
                while (try? await Task.sleep(for: Self.expiryInterval)) != nil {
                    await store.removeExpired()
                    await groups.removeExpired()
                }
            }
            await serve()
            group.cancelAll()
        }
        try await store.sync()
        try await groups.sync()
    }

    private func serve() async {
        let handler = RequestHandler(store: store, groups: groups, host: Self.host, port: port)
        let places = Places(Self.mostConnections)
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                do {
                    try await listener.executeThenClose { connections in
                        for try await connection in connections {
                            guard places.take() else {
                                logger.warning("too many clients at the broker: one is refused")
                                group.addTask { try? await connection.executeThenClose { _, _ in } }
                                continue
                            }
                            group.addTask {
                                await serve(connection, handler)
                                places.giveBack()
                            }
                        }
                    }
                } catch {
                    logger.warning("the broker stopped accepting: \(error)")
                }
                group.cancelAll()
            }
        } onGracefulShutdown: {
            listener.channel.close(promise: nil)
        }
    }

    private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ handler: RequestHandler) async {
        do {
            try await connection.executeThenClose { requests, responses in
                for try await frame in requests {
                    guard let response = try await handler.respond(to: frame) else { continue }
                    var framed = ByteBuffer()
                    framed.writeInteger(Int32(response.readableBytes))
                    framed.writeImmutableBuffer(response)
                    try await responses.write(framed)
                }
            }
        } catch is MalformedRequest {
            logger.debug("a client sent what is no Kafka request; its connection is closed")
        } catch {
            logger.trace("a connection ended: \(error)")
        }
    }

    private func syncNowAndThen() async {
        guard case .interval(let interval) = settings.sync else { return }
        for await _ in needsSync.listen() {
            try? await Task.sleep(for: interval.duration)
            async let records: Void = store.sync()
            async let offsets: Void = groups.sync()
            do {
                _ = try await (records, offsets)
            } catch {
                logger.error("the broker's log could not be synced to disk: \(error)")
                needsSync.send()
            }
        }
    }
}

/// Cuts the byte stream into requests, each with its length in four bytes before it.
private struct FrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer
    let largest: Int

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else { return .needMoreData }
        guard length >= 0, Int(length) <= largest else { throw MalformedRequest() }
        guard buffer.readableBytes >= 4 + Int(length) else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let frame = buffer.readSlice(length: Int(length)) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }
}

/// So many connections as there may be at once.
private final class Places: Sendable {
    private let free: Mutex<Int>

    init(_ count: Int) { free = Mutex(count) }

    /// - Returns: whether there was one.
    func take() -> Bool {
        free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }

    func giveBack() { free.withLock { $0 += 1 } }
}
