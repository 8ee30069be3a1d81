import NIOCore
import OrchSystem
import TestSupport
import Testing

@testable import LogBroker

struct RequestHandlerTests {
    private let folder = TemporaryFolder()

    private func handler() async throws -> RequestHandler {
        let store = BrokerStore(settings: BrokerSettings(folder: folder.path, port: 0))
        _ = try await store.open()
        let groups = GroupCoordinator(settings: BrokerSettings(folder: folder.path, port: 0))
        try await groups.open()
        return RequestHandler(store: store, groups: groups, host: "127.0.0.1", port: 9092)
    }

    private func request(_ api: Int16, _ version: Int16, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(api)
        frame.writeInteger(version)
        frame.writeInteger(Int32(77))
        frame.writeKafkaNullableString("test")
        body(&frame)
        return frame
    }

    @Test func `an unknown request and an unknown version are answered, not left hanging`() async throws {
        let handler = try await handler()
        for (api, version) in [(Int16(99), Int16(0)), (3, 99), (1, 0)] {
            var answer = try #require(try await handler.respond(to: request(api, version) { _ in }))
            #expect(answer.readInteger(as: Int32.self) == 77)
            #expect(answer.readInteger(as: Int16.self) == KafkaError.unsupportedVersion.rawValue)
        }
    }

    @Test func `a client with a newer ApiVersions learns what there is`() async throws {
        var answer = try #require(try await handler().respond(to: request(18, 9) { _ in }))
        #expect(answer.readInteger(as: Int32.self) == 77)
        #expect(answer.readInteger(as: Int16.self) == KafkaError.unsupportedVersion.rawValue)
        let first = answer.readInteger(as: Int32.self)
        let count = try #require(first)
        #expect(count == Int32(APIKey.allCases.count))
        #expect(answer.readableBytes == Int(count) * 6)
    }

    @Test(arguments: APIKey.allCases.flatMap { api in api.versions.map { (api, $0) } })
    func `garbage in the body is malformed or answered, in every version`(api: APIKey, version: Int16) async throws {
        let handler = try await handler()
        for bytes in [[], [0xff, 0xff, 0xff, 0xff], [UInt8](repeating: 0x7f, count: 64), [UInt8](0..<200)] as [[UInt8]]
        {
            do {
                _ = try await handler.respond(to: request(api.rawValue, version) { $0.writeBytes(bytes) })
            } catch {
                #expect(error is MalformedRequest)
            }
        }
    }

    @Test(.timeLimit(.minutes(5))) func `a fetch waits for records and answers when they come`() async throws {
        let handler = try await handler()
        try await handler.store.create("t", partitions: 1)
        let fetch = request(1, 4) { frame in
            frame.writeInteger(Int32(-1))
            frame.writeInteger(Int32(60_000))
            frame.writeInteger(Int32(1))
            frame.writeInteger(Int32(1 << 20))
            frame.writeInteger(Int8(0))
            frame.writeKafkaArray(["t"]) { frame, topic in
                frame.writeKafkaString(topic)
                frame.writeKafkaArray([Int32(0)]) { frame, partition in
                    frame.writeInteger(partition)
                    frame.writeInteger(Int64(0))
                    frame.writeInteger(Int32(1 << 20))
                }
            }
        }
        async let answer = handler.respond(to: fetch)
        _ = try await handler.store.append(makeBatch(), to: TopicPartition(topic: "t", partition: 0))
        #expect(try #require(try await answer).readableBytes > 81)
    }

    @Test(arguments: [String(repeating: "c", count: Int(Int16.max)), "\u{ff}"])
    func `a client with a name as long as there may be can join a group`(name: String) async throws {
        var frame = ByteBuffer()
        for number in [11, 0] as [Int16] { frame.writeInteger(number) }
        frame.writeInteger(Int32(77))
        frame.writeKafkaString(name)
        frame.writeKafkaString("g")
        frame.writeInteger(Int32(10_000))
        frame.writeKafkaString("")
        frame.writeKafkaString("consumer")
        frame.writeKafkaArray(["range"]) { frame, name in
            frame.writeKafkaString(name)
            frame.writeKafkaBytes(ByteBuffer())
        }
        var answer = try #require(try await handler().respond(to: frame))
        #expect(answer.readInteger(as: Int32.self) == 77)
        #expect(answer.readInteger(as: Int16.self) == KafkaError.none.rawValue)
    }

    @Test func `a name that is no text is malformed`() async throws {
        let metadata = request(3, 1) { frame in
            frame.writeInteger(Int32(1))
            frame.writeInteger(Int16(12_000))
            frame.writeRepeatingByte(0xff, count: 12_000)
        }
        let handler = try await handler()
        await #expect(throws: MalformedRequest.self) { try await handler.respond(to: metadata) }
    }

    /// Their names would be those of the broker's own files.
    @Test func `topics called as the broker's files do no harm`() async throws {
        let handler = try await handler()
        let place = TopicPartition(topic: "consumer-offsets", partition: 0)
        for name in ["consumer-offsets", "producer-ids"] { try await handler.store.create(name, partitions: 1) }
        _ = try await handler.store.newProducerID()
        let results = await handler.groups.commit(
            "g", "", instanceID: nil, generation: -1, [place: .init(offset: 5, metadata: "")])
        #expect(results[place] == KafkaError.none)
        let again = try await self.handler()
        #expect(await again.groups.offsets(of: "g")[place]?.offset == 5)
        #expect(await again.store.topicNames == ["consumer-offsets", "producer-ids"])
    }

    @Test func `a topic that is deleted takes what groups have read of it along`() async throws {
        let handler = try await handler()
        try await handler.store.create("t", partitions: 1)
        let place = TopicPartition(topic: "t", partition: 0)
        _ = await handler.groups.commit(
            "g", "", instanceID: nil, generation: -1, [place: .init(offset: 5, metadata: "")])
        _ = try await handler.respond(
            to: request(20, 1) { frame in
                frame.writeKafkaArray(["t"]) { $0.writeKafkaString($1) }
                frame.writeInteger(Int32(1000))
            })
        #expect(await handler.groups.offsets(of: "g").isEmpty)
        #expect(try await self.handler().groups.offsets(of: "g").isEmpty)
    }

    @Test(arguments: [
        ("a b", false), ("..", false), (".", false), ("a/b", false), ("", false),
        (String(repeating: "t", count: 250), false), ("__x.y-z", true),
    ])
    func `topic names follow Kafka's rule`(name: String, isLegal: Bool) {
        #expect(BrokerStore.isLegal(name) == isLegal)
    }

    /// A request that a real client has sent.
    struct Frame: Sendable, CustomTestStringConvertible {
        var client: String
        var api: Int16
        var version: Int16
        var bytes: [UInt8]

        var testDescription: String { "\(client): \(api) in version \(version)" }
    }

    static let frames: [Frame] = {
        let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Frames"
        return Files.list(folder).flatMap { file in
            ((try? Files.readText("\(folder)/\(file)")) ?? "").split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard words.count == 3, let api = Int16(words[0]), let version = Int16(words[1]) else { return nil }
                let digits = Array(words[2].utf8)
                let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                    UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
                }
                return Frame(client: file, api: api, version: version, bytes: bytes)
            }
        }
    }()

    @Test func `there is a real client's request for every version that is offered`() {
        let known = Set(Self.frames.map { [$0.api, $0.version] })
        for api in APIKey.allCases {
            for version in api.versions { #expect(known.contains([api.rawValue, version]), "\(api) \(version)") }
        }
    }

    @Test(.timeLimit(.minutes(5)), arguments: frames) func `a request of a real client is understood`(frame: Frame)
        async throws
    {
        let handler = try await handler()
        var request = ByteBuffer(bytes: frame.bytes)
        let header = try RequestHeader(&request)
        #expect(header.apiKey == frame.api)
        #expect(header.apiVersion == frame.version)
        var answer = try #require(try await handler.respond(to: ByteBuffer(bytes: frame.bytes)))
        #expect(answer.readInteger(as: Int32.self) == header.correlationID)
        #expect(answer.readInteger(as: Int16.self) != KafkaError.unsupportedVersion.rawValue)
        // Without its body it is malformed: the body was read. Only two do not need one.
        guard ![.apiVersions, .listGroups].contains(APIKey(rawValue: header.apiKey)) else { return }
        await #expect(throws: (any Error).self) {
            _ = try await handler.respond(to: ByteBuffer(bytes: frame.bytes.dropLast(request.readableBytes)))
        }
    }
}
