import NIOCore
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import RepositoryManager

@Suite struct UploadTests {
    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    }

    /// Buffers that come one after the other, and then perhaps an error.
    private struct Source: AsyncSequence, Sendable {
        struct Broken: Error {}
        var buffers: [ByteBuffer]
        var breaks = false

        init(_ bytes: ArraySlice<UInt8>, piece: Int = 1000, breaks: Bool = false) {
            buffers = stride(from: bytes.startIndex, to: bytes.endIndex, by: piece).map {
                ByteBuffer(bytes: bytes[$0..<Swift.min($0 + piece, bytes.endIndex)])
            }
            self.breaks = breaks
        }

        struct AsyncIterator: AsyncIteratorProtocol {
            var rest: ArraySlice<ByteBuffer>
            var breaks: Bool
            mutating func next() async throws -> ByteBuffer? {
                if let next = rest.popFirst() { return next }
                if breaks { throw Broken() }
                return nil
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: buffers[...], breaks: breaks) }
    }

    private static func make(_ folder: TemporaryFolder, limit: Int64 = 1 << 30) throws -> (Uploads, BlobStore) {
        let store = try BlobStore(folder: "\(folder.path)/blobs")
        return (try Uploads(folder: "\(folder.path)/uploads", store: store, limit: limit), store)
    }

    @Test func `an upload goes on after its connection broke and after the agent began anew`() async throws {
        let folder = TemporaryFolder()
        let content = Self.bytes(3_000_000)
        let (first, _) = try Self.make(folder)
        let id = try await first.begin()
        await #expect(throws: Source.Broken.self) {
            try await first.append(Source(content[..<1_234_567], breaks: true), to: id)
        }
        #expect(try await first.size(of: id) == 1_234_567)

        let (second, store) = try Self.make(folder)
        #expect(try await second.size(of: id) == 1_234_567)
        let early = await #expect(throws: OrchError.self) {
            try await second.append(Source(content[5...]), to: id, at: 5)
        }
        #expect(early?.code == .conflict)
        #expect(try await second.append(Source(content[1_234_567...]), to: id, at: 1_234_567) == 3_000_000)
        try await second.finish(id, digest: ContentHash.digest(of: content))
        #expect(try store.read(ContentHash.digest(of: content), upTo: 4_000_000) == content)
        #expect(Files.list("\(folder.path)/uploads").isEmpty)
    }

    @Test func `another digest, too much, and what is cancelled leave nothing behind`() async throws {
        let folder = TemporaryFolder()
        let (uploads, store) = try Self.make(folder, limit: 2_000_000)
        let wrong = try await uploads.begin()
        _ = try await uploads.append(Source(Self.bytes(1000)[...]), to: wrong)
        let error = await #expect(throws: OrchError.self) {
            try await uploads.finish(wrong, digest: ContentHash.digest(of: []))
        }
        #expect(error?.message.contains("changed on its way") == true)

        let large = try await uploads.begin()
        let refused = await #expect(throws: OrchError.self) {
            try await uploads.append(Source(Self.bytes(3_000_000)[...]), to: large)
        }
        #expect(refused?.message.contains("--artifact-size") == true)

        let cancelled = try await uploads.begin()
        await uploads.cancel(cancelled)
        for id in [wrong, large, cancelled, "..", "../x"] {
            let gone = await #expect(throws: OrchError.self) { try await uploads.size(of: id) }
            #expect(gone?.code == .notFound)
        }
        #expect(Files.list("\(folder.path)/uploads").isEmpty)
        #expect(store.all.isEmpty)
    }

    @Test func `whoever comes late neither adds to an upload nor spoils it`() async throws {
        let folder = TemporaryFolder()
        let path = "\(folder.path)/upload"
        let store = try BlobStore(folder: "\(folder.path)/blobs")
        let file = try UploadFile(path: path)
        try file.append(ByteBuffer(string: "one"), at: 0)
        // Its client has gone on by another connection meanwhile.
        let late = #expect(throws: OrchError.self) { try file.append(ByteBuffer(string: "old"), at: 0) }
        #expect(late?.code == .conflict)
        let digest = try file.finish(as: nil, in: store)
        #expect(throws: OrchError.self) { try file.append(ByteBuffer(string: "two"), at: 3) }
        #expect(try store.read(digest, upTo: 10) == Array("one".utf8))
    }

    @Test func `two uploads of the same content keep it once`() async throws {
        let folder = TemporaryFolder()
        let (uploads, store) = try Self.make(folder)
        for _ in 0..<2 {
            let id = try await uploads.begin()
            _ = try await uploads.append(Source(Self.bytes(5000)[...]), to: id)
            #expect(try await uploads.finish(id) == ContentHash.digest(of: Self.bytes(5000)))
        }
        #expect(store.all == [ContentHash.digest(of: Self.bytes(5000))])
        #expect(Files.list("\(folder.path)/uploads").isEmpty)
    }

    @Test func `uploads of which nothing comes are forgotten`() async throws {
        let folder = TemporaryFolder()
        let (uploads, _) = try Self.make(folder)
        let id = try await uploads.begin()
        await uploads.removeOld()
        #expect(try await uploads.size(of: id) == 0)
        await uploads.removeOld(.seconds(-10))
        await #expect(throws: OrchError.self) { try await uploads.size(of: id) }
    }
}
