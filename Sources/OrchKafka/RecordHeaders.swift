import CRdkafka

/// The headers of a record that is about to be sent, in librdkafka's memory.
package struct RecordHeaders: ~Copyable {
    private(set) var pointer: OpaquePointer?

    /// - Parameter count: how many there will be, about.
    package init(count: Int) { pointer = rd_kafka_headers_new(count) }

    deinit { if let pointer { rd_kafka_headers_destroy(pointer) } }

    package mutating func add(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount) {
            _ = rd_kafka_header_add(pointer, $0, name.utf8CodeUnitCount, value.baseAddress, value.count)
        }
    }

    package mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { add(name, UnsafeRawBufferPointer($0)) }
    }

    package mutating func add(_ name: StaticString, _ value: StaticString) {
        add(name, UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    /// A number in decimal digits, without making a string of it.
    package mutating func add(_ name: StaticString, _ number: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = number.magnitude
            var start = digits.count
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                digits[start] = UInt8(ascii: "-")
            }
            add(name, UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[start...]))
        }
    }

    /// They belong to librdkafka from now on.
    mutating func handOver() { pointer = nil }
}
