import COrchSystem
import NIOCore
import TestSupport
import Testing

@testable import LogBroker

/// Bytes of other people's programs, unpacked by ours.
struct DecompressionTests {
    private static let text = Array(String(repeating: "orch ships lines. ", count: 40).utf8) + Array(0...255)

    /// The text as cramjam 2.14.0, Python's gzip, lz4 4.4.5 and zstandard 0.25.0 have packed it.
    private static let packed: [(Compression, String)] = [
        (
            .snappy,
            "d007446f726368207368697073206c696e65732e20fe1200fe1200fe1200fe1200fe1200fe1200fe1200fe1200fe1200fe1200f61200f0ff000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
        ),
        (
            .gzip,
            "1f8b0800000000000203cb2f4ace5028cec82c2856c8c9cc4b2dd653c81f15191519b2220c8c4ccc2cac6cec1c9c5cdc3cbc7cfc028242c222a262e2129252d232b272f20a8a4aca2aaa6aea1a9a5ada3aba7afa068646c626a666e6169656d636b676f60e8e4ece2eae6eee1e9e5ede3ebe7efe018141c121a161e1119151d131b171f1098949c929a969e9199959d939b979f9058545c525a565e5159555d535b575f50d8d4dcd2dad6ded1d9d5ddd3dbd7dfd13264e9a3c65eab4e93366ce9a3d67eebcf90b162e5abc64e9b2e52b56ae5abd66edbaf51b366edabc65ebb6ed3b76eedabd67efbefd070e1e3a7ce4e8b1e3274e9e3a7de6ecb9f3172e5eba7ce5eab5eb376edeba7de7eebdfb0f1e3e7afce4e9b3e72f5ebe7afde6edbbf71f3e7efafce5ebb7ef3f7efefafde7efbfff00f3d6fc7ed0030000"
        ),
        (
            .lz4,
            "04224d186840d003000000000000a51b010000ff036f726368207368697073206c696e65732e201200ffffadf0f1000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff00000000"
        ),
        (
            .zstd,
            "28b52ffd60d002d5080024116f726368207368697073206c696e65732e20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff0100765535c3"
        ),
    ]

    private static func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }

    @Test(arguments: packed) func `every packing is undone`(compression: Compression, digits: String) {
        #expect(Self.bytes(digits).withUnsafeBytes { compression.unpack($0) } == Self.text)
    }

    @Test(arguments: packed) func `what is damaged or cut off unpacks to nothing, and hurts nobody`(
        compression: Compression, digits: String
    ) {
        let whole = Self.bytes(digits)
        var numbers = SeededNumbers(seed: 5)
        for length in 0..<whole.count {
            #expect(whole.prefix(length).withUnsafeBytes { compression.unpack($0) } != Self.text)
        }
        for _ in 0..<3000 {
            var damaged = whole
            for _ in 0...Int.random(in: 0..<4, using: &numbers) {
                damaged[Int.random(in: 0..<damaged.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            _ = damaged.withUnsafeBytes { compression.unpack($0) }
        }
    }

    @Test func `the frame of Java's Snappy is read too`() {
        let block = Self.bytes(Self.packed[0].1)
        var framed = ByteBuffer(bytes: [0x82] + Array("SNAPPY".utf8) + [0])
        framed.writeInteger(Int32(1))
        framed.writeInteger(Int32(1))
        for _ in 0..<2 {
            framed.writeInteger(Int32(block.count))
            framed.writeBytes(block)
        }
        #expect(
            Array(framed.readableBytesView).withUnsafeBytes { Compression.snappy.unpack($0) } == Self.text + Self.text)
    }
}

struct RecordSetTests {
    /// A batch whose records have these times, values and one header each.
    static func batch(_ records: [(time: Int64, value: String)], base: Int64 = 0) -> ByteBuffer {
        var body = ByteBuffer()
        body.writeInteger(Int16(0))
        body.writeInteger(Int32(records.count - 1))
        body.writeInteger(records.first?.time ?? 0)
        body.writeInteger(records.map(\.time).max() ?? 0)
        body.writeInteger(Int64(-1))
        body.writeInteger(Int16(-1))
        body.writeInteger(Int32(-1))
        body.writeInteger(Int32(records.count))
        for (index, record) in records.enumerated() {
            var bytes = ByteBuffer()
            bytes.writeInteger(UInt8(0))
            writeVarint(record.time - (records.first?.time ?? 0), to: &bytes)
            writeVarint(Int64(index), to: &bytes)
            writeVarint(-1, to: &bytes)
            writeVarint(Int64(record.value.utf8.count), to: &bytes)
            bytes.writeString(record.value)
            writeVarint(1, to: &bytes)
            writeVarint(3, to: &bytes)
            bytes.writeString("seq")
            writeVarint(2, to: &bytes)
            bytes.writeString("42")
            writeVarint(Int64(bytes.readableBytes), to: &body)
            body.writeBuffer(&bytes)
        }
        let checksum = body.withUnsafeReadableBytes { orch_crc32c(0, $0.baseAddress!, $0.count) }
        var batch = ByteBuffer()
        batch.writeInteger(base)
        batch.writeInteger(Int32(9 + body.readableBytes))
        batch.writeInteger(Int32(-1))
        batch.writeInteger(Int8(2))
        batch.writeInteger(checksum)
        batch.writeBuffer(&body)
        return batch
    }

    private static func writeVarint(_ value: Int64, to bytes: inout ByteBuffer) {
        var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
        while rest >= 0x80 {
            bytes.writeInteger(UInt8(rest & 0x7f | 0x80))
            rest >>= 7
        }
        bytes.writeInteger(UInt8(rest))
    }

    @Test func `records, their times and headers are read`() throws {
        let bytes = Self.batch([(1000, "a"), (1007, "bb"), (1003, "")], base: 50)
        let batch = try #require(RecordBatch(bytes, at: 0))
        let records = try #require(RecordSet(bytes, at: 0, batch))
        var found: [String] = []
        records.visit { record in
            record.visitHeaders { name, value in
                found.append(
                    "\(record.offset) \(record.timestamp) \(String(decoding: record.value, as: UTF8.self)) \(String(decoding: name, as: UTF8.self))=\(String(decoding: value, as: UTF8.self)) \(record.key.count)"
                )
            }
            return true
        }
        #expect(found == ["50 1000 a seq=42 0", "51 1007 bb seq=42 0", "52 1003  seq=42 0"])
    }

    @Test(arguments: [(Int64(0), Int64(50)), (1000, 50), (1001, 51), (1007, 51)])
    func `a time is found to the record`(time: Int64, offset: Int64) {
        let bytes = Self.batch([(1000, "a"), (1007, "bb"), (1003, "c")], base: 50)
        #expect(RecordBatch.firstRecord(in: bytes, at: time)?.offset == offset)
    }

    @Test func `damaged records are left out without harm`() throws {
        let whole = Self.batch((0..<20).map { (1000 + $0, "value \($0)") })
        var numbers = SeededNumbers(seed: 3)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0...Int.random(in: 0..<5, using: &numbers) {
                let at = Int.random(in: RecordBatch.headSize..<bytes.writerIndex, using: &numbers)
                bytes.setInteger(UInt8.random(in: 0...255, using: &numbers), at: at)
            }
            let batch = try #require(RecordBatch(bytes, at: 0))
            RecordSet(bytes, at: 0, batch)?.visit { record in
                record.visitHeaders { _, _ in }
                return record.value.count <= whole.readableBytes
            }
        }
    }
}
