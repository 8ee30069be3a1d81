import NIOCore

/// The fixed-width and length-prefixed types of the Kafka protocol (kafka.apache.org/protocol, "Protocol Primitive Types").
///
/// Readers throw ``MalformedRequest`` where the bytes end early or a length is absurd, so that garbage closes its own
/// connection and nothing else.
struct MalformedRequest: Error {}

extension ByteBuffer {
    mutating func kafkaInteger<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(MalformedRequest) -> Value {
        guard let value = readInteger(as: Value.self) else { throw MalformedRequest() }
        return value
    }

    mutating func kafkaBoolean() throws(MalformedRequest) -> Bool { try kafkaInteger(Int8.self) != 0 }

    mutating func kafkaString() throws(MalformedRequest) -> String {
        guard let text = try kafkaNullableString() else { throw MalformedRequest() }
        return text
    }

    mutating func kafkaNullableString() throws(MalformedRequest) -> String? {
        let length = try kafkaInteger(Int16.self)
        guard length >= 0 else { return nil }
        guard let bytes = readSlice(length: Int(length)),
            let text = String(validating: bytes.readableBytesView, as: UTF8.self)
        else { throw MalformedRequest() }
        return text
    }

    mutating func kafkaBytes() throws(MalformedRequest) -> ByteBuffer {
        guard let bytes = try kafkaNullableBytes() else { throw MalformedRequest() }
        return bytes
    }

    /// The bytes share this buffer's memory.
    mutating func kafkaNullableBytes() throws(MalformedRequest) -> ByteBuffer? {
        let length = try kafkaInteger(Int32.self)
        guard length >= 0 else { return nil }
        guard let bytes = readSlice(length: Int(length)) else { throw MalformedRequest() }
        return bytes
    }

    mutating func kafkaArray<Element>(
        _ element: (inout ByteBuffer) throws(MalformedRequest) -> Element
    ) throws(MalformedRequest) -> [Element] {
        try kafkaNullableArray(element) ?? []
    }

    mutating func kafkaNullableArray<Element>(
        _ element: (inout ByteBuffer) throws(MalformedRequest) -> Element
    ) throws(MalformedRequest) -> [Element]? {
        let count = try kafkaInteger(Int32.self)
        guard count >= 0 else { return nil }
        // Every element takes at least a byte: a larger count is garbage, and must not make us reserve memory.
        guard count <= readableBytes else { throw MalformedRequest() }
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count { elements.append(try element(&self)) }
        return elements
    }

    // MARK: Writing

    /// Names that came over the protocol are short enough; those of our own are made so.
    mutating func writeKafkaString(_ text: String) {
        writeInteger(Int16(text.utf8.count))
        writeString(text)
    }

    mutating func writeKafkaNullableString(_ text: String?) {
        if let text { writeKafkaString(text) } else { writeInteger(Int16(-1)) }
    }

    mutating func writeKafkaBytes(_ bytes: ByteBuffer) {
        writeInteger(Int32(bytes.readableBytes))
        writeImmutableBuffer(bytes)
    }

    mutating func writeKafkaBoolean(_ value: Bool) { writeInteger(Int8(value ? 1 : 0)) }

    mutating func writeKafkaError(_ error: KafkaError) { writeInteger(error.rawValue) }

    mutating func writeKafkaArray<Element>(
        _ elements: some Collection<Element>, _ write: (inout ByteBuffer, Element) -> Void
    ) {
        writeInteger(Int32(elements.count))
        for element in elements { write(&self, element) }
    }

    /// The variable-length unsigned integer of the flexible versions.
    mutating func writeKafkaVarint(_ value: Int) {
        var rest = UInt32(value)
        while rest >= 0x80 {
            writeInteger(UInt8(rest & 0x7f | 0x80))
            rest >>= 7
        }
        writeInteger(UInt8(rest))
    }
}

extension [String] {
    /// Each once: an answer must not be larger by far than its question.
    var withoutRepetitions: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
