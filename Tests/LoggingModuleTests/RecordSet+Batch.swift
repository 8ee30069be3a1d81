import NIOCore
import OrchModel

@testable import LogBroker

extension RecordSet {
    /// One record in a batch of its own, not packed (kafka.apache.org/documentation, "Record Batch").
    static func batch(key: String, _ value: [UInt8], headers: [(String, String)]) -> RecordSet {
        var record: [UInt8] = [0, 0, 0]
        for bytes in [Array(key.utf8), value] { record += varint(bytes.count) + bytes }
        record += varint(headers.count)
        for (name, value) in headers {
            for bytes in [Array(name.utf8), Array(value.utf8)] { record += varint(bytes.count) + bytes }
        }
        let body = varint(record.count) + record
        var batch = ByteBuffer()
        batch.writeInteger(Int64(0))
        batch.writeInteger(Int32(RecordBatch.headSize - RecordBatch.lengthPrefix + body.count))
        batch.writeInteger(Int32(0))
        batch.writeInteger(Int8(2))
        batch.writeInteger(UInt32(0))
        batch.writeInteger(Int16(0))
        batch.writeInteger(Int32(0))
        for _ in 0..<2 { batch.writeInteger(Int64(0)) }
        batch.writeInteger(Int64(-1))
        batch.writeInteger(Int16(-1))
        batch.writeInteger(Int32(-1))
        batch.writeInteger(Int32(1))
        batch.writeBytes(body)
        guard let head = RecordBatch(batch, at: 0), let records = RecordSet(batch, at: 0, head) else {
            preconditionFailure("a batch that was just made cannot be read")
        }
        return records
    }

    private static func varint(_ value: Int) -> [UInt8] {
        var (rest, bytes) = (UInt64(value) << 1, [UInt8]())
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
