import NIOCore

/// The records of one batch, unpacked (kafka.apache.org/documentation, "Record").
package struct RecordSet: Sendable {
    /// The offset behind its last record.
    package let nextOffset: Int64
    private let baseOffset: Int64
    private let baseTimestamp: Int64
    /// The newest record's time, in milliseconds since 1970.
    package let maxTimestamp: Int64
    private let count: Int
    private let bytes: [UInt8]

    /// Of all records, unpacked, in bytes.
    var size: Int { bytes.count }

    /// - Parameter index: where the batch begins; it must be whole.
    /// - Returns: `nil` for a batch that is packed in a way we do not read, or damaged.
    init?(_ buffer: ByteBuffer, at index: Int, _ batch: RecordBatch) {
        guard let attributes = buffer.getInteger(at: index + 21, as: Int16.self),
            let compression = Compression(rawValue: attributes & 7),
            let baseTimestamp = buffer.getInteger(at: index + 27, as: Int64.self)
        else { return nil }
        let body = index + RecordBatch.headSize - buffer.readerIndex
        let size = batch.size - RecordBatch.headSize
        let unpacked = buffer.withUnsafeReadableBytes { memory in
            compression.unpack(UnsafeRawBufferPointer(rebasing: memory[body..<body + size]))
        }
        guard let unpacked else { return nil }
        bytes = unpacked
        baseOffset = batch.baseOffset
        nextOffset = batch.lastOffset + 1
        maxTimestamp = batch.maxTimestamp
        self.baseTimestamp = baseTimestamp
        count = Int(batch.recordCount)
    }

    /// Calls `body` with all records as they lie one behind the other, values among keys and headers.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes(body)
    }

    /// Whether a record, with its key and headers, has so many bytes or more.
    package func hasRecord(of size: Int) -> Bool {
        bytes.withUnsafeBytes { memory in
            var reader = RecordReader(memory)
            for _ in 0..<count {
                guard let length = reader.skip() else { return false }
                if length >= size { return true }
            }
            return false
        }
    }

    /// Calls `body` with every record, until it says not to go on or the bytes make no sense any more.
    package func visit(_ body: (RecordView) throws -> Bool) rethrows {
        try bytes.withUnsafeBytes { memory in
            var reader = RecordReader(memory)
            for _ in 0..<count {
                guard let record = reader.next(baseOffset: baseOffset, baseTimestamp: baseTimestamp) else { return }
                guard try body(record) else { return }
            }
        }
    }
}

/// One record in the memory of its batch, valid only while that is visited.
package struct RecordView {
    package let offset: Int64
    /// In milliseconds since 1970.
    package let timestamp: Int64
    package let key: UnsafeRawBufferPointer
    package let value: UnsafeRawBufferPointer
    fileprivate let headers: RecordReader

    /// Calls `body` with every header's name and value.
    package func visitHeaders(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        var reader = headers
        guard let count = reader.varint(), count > 0 else { return }
        for _ in 0..<count {
            guard let name = reader.lengthPrefixed(), let value = reader.lengthPrefixed() else { return }
            body(name, value)
        }
    }
}

/// Reads the variable-length fields of records; `nil` wherever the bytes end early.
private struct RecordReader {
    private let memory: UnsafeRawBufferPointer
    private var position = 0
    private let end: Int

    init(_ memory: UnsafeRawBufferPointer) {
        self.memory = memory
        end = memory.count
    }

    private init(_ memory: UnsafeRawBufferPointer, from position: Int, to end: Int) {
        self.memory = memory
        self.position = position
        self.end = end
    }

    /// Goes on behind a record.
    ///
    /// - Returns: its bytes.
    mutating func skip() -> Int? {
        guard let length = varint(), length > 0, length <= end - position else { return nil }
        position += length
        return length
    }

    mutating func next(baseOffset: Int64, baseTimestamp: Int64) -> RecordView? {
        guard let length = varint(), length > 0, length <= end - position else { return nil }
        var record = RecordReader(memory, from: position, to: position + length)
        position += length
        // One byte of attributes, of which none is used.
        record.position += 1
        guard let timestampDelta = record.varint(), let offsetDelta = record.varint(),
            let key = record.lengthPrefixed(),
            let value = record.lengthPrefixed()
        else { return nil }
        return RecordView(
            offset: baseOffset &+ Int64(offsetDelta), timestamp: baseTimestamp &+ Int64(timestampDelta), key: key,
            value: value, headers: record)
    }

    /// A signed number in the zigzag form.
    mutating func varint() -> Int? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end, shift < 64 {
            let byte = memory[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return Int(bitPattern: UInt(value >> 1) ^ (0 &- UInt(value & 1))) }
            shift += 7
        }
        return nil
    }

    /// Bytes behind their length; none where that is -1, which stands for null.
    mutating func lengthPrefixed() -> UnsafeRawBufferPointer? {
        guard let length = varint() else { return nil }
        guard length > 0 else { return UnsafeRawBufferPointer(rebasing: memory[position..<position]) }
        guard length <= end - position else { return nil }
        defer { position += length }
        return UnsafeRawBufferPointer(rebasing: memory[position..<position + length])
    }
}

extension RecordBatch {
    /// The first record of `timestamp` or later in the batch that `buffer` holds.
    static func firstRecord(in buffer: ByteBuffer, at timestamp: Int64) -> (offset: Int64, timestamp: Int64)? {
        guard let batch = RecordBatch(buffer, at: buffer.readerIndex), batch.size <= buffer.readableBytes else {
            return nil
        }
        guard let records = RecordSet(buffer, at: buffer.readerIndex, batch) else {
            return (batch.baseOffset, batch.maxTimestamp)
        }
        var found: (offset: Int64, timestamp: Int64)?
        records.visit { record in
            if record.timestamp >= timestamp { found = (record.offset, record.timestamp) }
            return found == nil
        }
        return found ?? (batch.baseOffset, batch.maxTimestamp)
    }
}
