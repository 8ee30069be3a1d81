import Glibc
import NIOCore
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import RepositoryManager

@Suite struct BlobTests {
    private static let content = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private static func read(_ reader: BlobReader) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await buffer in reader { bytes += buffer.readableBytesView }
        return bytes
    }

    @Test(arguments: [0..<2_000_000, 0..<1, 1_999_999..<2_000_000, 700_000..<1_900_000] as [Range<Int64>])
    func `all and any part of a blob can be read`(range: Range<Int64>) async throws {
        let folder = TemporaryFolder()
        let store = try BlobStore(folder: folder.path)
        let digest = try store.write(Self.content)
        let reader = try BlobReader(digest, in: store, range: range)
        #expect(try await Self.read(reader) == Array(Self.content[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    @Test(arguments: [nil, 5..<10] as [Range<Int64>?])
    func `a damaged blob is never handed out whole, and can be pushed again`(range: Range<Int64>?) async throws {
        let folder = TemporaryFolder()
        let store = try BlobStore(folder: folder.path)
        let digest = try store.write(Self.content)
        // Read once, so that it is known to be right.
        _ = try await Self.read(BlobReader(digest, in: store))
        #expect(chmod(store.path(of: digest), 0o600) == 0)
        try Files.overwrite(store.path(of: digest), with: [1])
        let error = await #expect(throws: OrchError.self) {
            let bytes = try await Self.read(BlobReader(digest, in: store, range: range))
            #expect(bytes.isEmpty)
        }
        #expect(error?.message.contains("damaged") == true)
        #expect(!store.has(digest))
        #expect(try store.write(Self.content) == digest)
        #expect(try await Self.read(BlobReader(digest, in: store, range: range)).isEmpty == false)
    }
}
