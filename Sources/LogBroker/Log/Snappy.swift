/// Unpacks what Snappy has packed (github.com/google/snappy, format_description.txt). The library comes without a way to
/// link it on a machine that has only librdkafka, which carries its own.
enum Snappy {
    /// Java clients put blocks into a frame: this, two numbers of versions, and then each block behind its length.
    private static let frameMagic: [UInt8] = [0x82] + Array("SNAPPY".utf8) + [0]
    private static let frameHead = 16

    /// - Returns: `nil` for what is damaged or unpacks to more than `limit` bytes.
    static func unpack(_ packed: UnsafeRawBufferPointer, limit: Int) -> [UInt8]? {
        var output: [UInt8] = []
        guard packed.starts(with: frameMagic) else {
            return unpackBlock(packed, limit: limit, into: &output) ? output : nil
        }
        var position = frameHead
        while position < packed.count {
            guard packed.count - position >= 4 else { return nil }
            let length = Int(packed.loadUnaligned(fromByteOffset: position, as: UInt32.self).bigEndian)
            position += 4
            guard length <= packed.count - position else { return nil }
            let block = UnsafeRawBufferPointer(rebasing: packed[position..<position + length])
            guard unpackBlock(block, limit: limit, into: &output) else { return nil }
            position += length
        }
        return output
    }

    private static func unpackBlock(_ block: UnsafeRawBufferPointer, limit: Int, into output: inout [UInt8]) -> Bool {
        var position = 0
        guard let size = length(block, &position), size <= limit - output.count else { return false }
        let start = output.count
        output.reserveCapacity(start + size)
        while position < block.count {
            let tag = block[position]
            position += 1
            if tag & 3 == 0 {
                guard let count = literalLength(tag, block, &position), count <= block.count - position,
                    output.count - start + count <= size
                else { return false }
                output.append(contentsOf: block[position..<position + count])
                position += count
            } else {
                guard let (count, distance) = copy(tag, block, &position), distance > 0,
                    distance <= output.count - start, output.count - start + count <= size
                else { return false }
                // The two may overlap: what is written is read again.
                for _ in 0..<count { output.append(output[output.count - distance]) }
            }
        }
        return output.count - start == size
    }

    private static func length(_ block: UnsafeRawBufferPointer, _ position: inout Int) -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) where position < block.count {
            let byte = block[position]
            position += 1
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private static func literalLength(_ tag: UInt8, _ block: UnsafeRawBufferPointer, _ position: inout Int) -> Int? {
        let short = Int(tag >> 2)
        guard short >= 60 else { return short + 1 }
        return number(bytes: short - 59, block, &position).map { $0 + 1 }
    }

    private static func copy(_ tag: UInt8, _ block: UnsafeRawBufferPointer, _ position: inout Int) -> (
        count: Int, distance: Int
    )? {
        switch tag & 3 {
        case 1: number(bytes: 1, block, &position).map { (Int(tag >> 2 & 7) + 4, Int(tag >> 5) << 8 | $0) }
        case 2: number(bytes: 2, block, &position).map { (Int(tag >> 2) + 1, $0) }
        default: number(bytes: 4, block, &position).map { (Int(tag >> 2) + 1, $0) }
        }
    }

    private static func number(bytes: Int, _ block: UnsafeRawBufferPointer, _ position: inout Int) -> Int? {
        guard block.count - position >= bytes else { return nil }
        var value = 0
        for index in 0..<bytes { value |= Int(block[position + index]) << (8 * index) }
        position += bytes
        return value
    }
}
