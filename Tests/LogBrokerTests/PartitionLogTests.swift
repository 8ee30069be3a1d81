import COrchSystem
import Glibc
import NIOCore
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import LogBroker

/// A record batch of format 2 with records that nobody looks into.
func makeBatch(
    count: Int32 = 1, timestamp: Int64 = 1000, producer: Int64 = -1, epoch: Int16 = 0, sequence: Int32 = -1,
    payload: Int = 20
) -> ByteBuffer {
    var body = ByteBuffer()
    body.writeInteger(Int16(0))
    body.writeInteger(count - 1)
    body.writeInteger(timestamp)
    body.writeInteger(timestamp)
    body.writeInteger(producer)
    body.writeInteger(epoch)
    body.writeInteger(sequence)
    body.writeInteger(count)
    body.writeRepeatingByte(7, count: payload)
    let checksum = body.withUnsafeReadableBytes { orch_crc32c(0, $0.baseAddress!, $0.count) }
    var batch = ByteBuffer()
    batch.writeInteger(Int64(0))
    batch.writeInteger(Int32(9 + body.readableBytes))
    batch.writeInteger(Int32(-1))
    batch.writeInteger(Int8(2))
    batch.writeInteger(checksum)
    batch.writeBuffer(&body)
    return batch
}

struct PartitionLogTests {
    private let folder = TemporaryFolder()

    private func open(segmentBytes: Int = 64 << 20, retentionBytes: Int = 1 << 30) throws -> PartitionLog {
        var settings = BrokerSettings(folder: folder.path, port: 0)
        settings.segmentBytes = segmentBytes
        settings.retentionBytes = retentionBytes
        return try PartitionLog(
            LocalDisk(), folder: folder.path, configuration: TopicConfiguration(settings))
    }

    private func offsets(in bytes: ByteBuffer) throws -> [Int64] {
        try RecordBatch.parse(bytes).map(\.batch.baseOffset)
    }

    @Test func `records get the offsets they come in, over a restart too`() throws {
        var log = try open()
        #expect(try log.append(makeBatch(count: 3)) == 0)
        #expect(try log.append(makeBatch(count: 2)) == 3)
        log = try open()
        #expect(log.endOffset == 5)
        #expect(try log.append(makeBatch()) == 5)
        #expect(try offsets(in: log.read(from: 0, limit: 1 << 20)) == [0, 3, 5])
        #expect(try offsets(in: log.read(from: 4, limit: 1 << 20)) == [3, 5])
        #expect(try log.read(from: 6, limit: 100).readableBytes == 0)
    }

    @Test func `a batch larger than the limit is still handed out whole`() throws {
        let log = try open()
        _ = try log.append(makeBatch(payload: 5000))
        #expect(try offsets(in: log.read(from: 0, limit: 10)) == [0])
    }

    @Test func `a torn end is cut off and what was before it stays`() throws {
        var log = try open()
        _ = try log.append(makeBatch())
        _ = try log.append(makeBatch(count: 4))
        let path = "\(folder.path)/\(Segment.fileName(0))"
        let whole = try Files.read(path)
        for cut in [1, 30, 70] {
            try Files.replace(path, with: Array(whole.dropLast(cut)))
            log = try open()
            #expect(log.endOffset == 1, "cut \(cut)")
            #expect(try offsets(in: log.read(from: 0, limit: 1000)) == [0])
        }
        try Files.replace(path, with: whole + [1, 2, 3])
        log = try open()
        #expect(log.endOffset == 5)
        #expect(Files.size(path) == Int64(whole.count))
    }

    @Test func `a flipped bit is found by the checksum`() throws {
        let log = try open()
        var batch = makeBatch()
        batch.setInteger(UInt8(8), at: batch.writerIndex - 1)
        #expect(throws: KafkaError.corruptMessage) { try log.append(batch) }
        #expect(log.endOffset == 0)
    }

    @Test(arguments: [0, 5, 16, 30, 60])
    func `a batch that ends early is refused`(length: Int) throws {
        let log = try open()
        var batch = makeBatch()
        let slice = batch.readSlice(length: length)
        let short = try #require(slice)
        if length == 0 {
            #expect(try log.append(short) == 0)
        } else {
            #expect(throws: KafkaError.self) { try log.append(short) }
        }
        #expect(log.endOffset == 0)
    }

    @Test func `a batch beyond the bound is refused`() throws {
        let log = try open()
        #expect(throws: KafkaError.messageTooLarge) { try log.append(makeBatch(payload: 2 << 20)) }
    }

    @Test func `segments roll, reading crosses them, and the oldest go when there is too much`() throws {
        let log = try open(segmentBytes: 300, retentionBytes: 1000)
        for number in 0..<30 { #expect(try log.append(makeBatch()) == Int64(number)) }
        #expect(log.startOffset > 0)
        #expect(throws: KafkaError.offsetOutOfRange) { try log.read(from: 0, limit: 100) }
        var next = log.startOffset
        while next < log.endOffset {
            let found = try offsets(in: log.read(from: next, limit: 1 << 20))
            #expect(found.first == next)
            next = try #require(found.last) + 1
        }
        #expect(next == 30)
    }

    @Test func `records are found by time`() throws {
        let log = try open(segmentBytes: 500)
        // Not long ago: what is too old goes when a segment is full.
        let start = Timestamp.now().milliseconds
        for number in 0..<50 { _ = try log.append(makeBatch(timestamp: start + Int64(number * 10))) }
        #expect(try log.firstOffset(at: 0)?.offset == 0)
        #expect(try log.firstOffset(at: start + 5)?.offset == 1)
        #expect(try log.firstOffset(at: start + 250)?.offset == 25)
        #expect(try log.firstOffset(at: start + 9999) == nil)
    }

    @Test func `what an idempotent producer sends twice is kept once, over a restart too`() throws {
        var log = try open()
        #expect(try log.append(makeBatch(count: 2, producer: 9, sequence: 0)) == 0)
        #expect(try log.append(makeBatch(count: 1, producer: 9, sequence: 2)) == 2)
        #expect(try log.append(makeBatch(count: 2, producer: 9, sequence: 0)) == 0)
        log = try open()
        #expect(try log.append(makeBatch(count: 1, producer: 9, sequence: 2)) == 2)
        #expect(log.endOffset == 3)
        #expect(throws: KafkaError.outOfOrderSequenceNumber) { try log.append(makeBatch(producer: 9, sequence: 7)) }
        #expect(try log.append(makeBatch(producer: 9, sequence: 3)) == 3)
        #expect(try log.append(makeBatch(producer: 9, epoch: 1, sequence: 0)) == 4)
        #expect(throws: KafkaError.invalidProducerEpoch) {
            try log.append(makeBatch(producer: 9, epoch: 0, sequence: 4))
        }
    }

    /// KIP-98: sequence numbers go from 2^31 - 1 on to 0.
    @Test func `a producer goes on when its sequence numbers begin anew`() throws {
        let log = try open()
        #expect(try log.append(makeBatch(count: 3, producer: 9, sequence: .max - 1)) == 0)
        #expect(try log.append(makeBatch(producer: 9, sequence: 1)) == 3)
        #expect(try log.append(makeBatch(count: 3, producer: 9, sequence: .max - 1)) == 0)
        #expect(try log.append(makeBatch(producer: 8, sequence: .max)) == 4)
        #expect(try log.append(makeBatch(producer: 8, sequence: 0)) == 5)
    }

    @Test func `several batches at once are refused, and none of them is kept`() throws {
        let log = try open()
        var two = makeBatch()
        two.writeImmutableBuffer(makeBatch())
        #expect(throws: KafkaError.invalidRecord) { try log.append(two) }
        #expect(log.endOffset == 0)
    }

    @Test func `the checksum is Castagnoli's`() {
        // RFC 3720, B.4: 32 bytes of zeros, and the bytes 0 to 31.
        let zeros = [UInt8](repeating: 0, count: 32)
        let ascending = [UInt8](0..<32)
        #expect(zeros.withUnsafeBytes { orch_crc32c(0, $0.baseAddress!, $0.count) } == 0x8a91_36aa)
        #expect(ascending.withUnsafeBytes { orch_crc32c(0, $0.baseAddress!, $0.count) } == 0x46dd_794e)
    }
}
