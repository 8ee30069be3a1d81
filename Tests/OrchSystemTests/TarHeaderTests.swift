import OrchSystem
import Testing

@Suite struct TarHeaderTests {
    @Test func `a header is a block with its checksum`() {
        let header = TarHeader.bytes("bin/app", .file(size: 1234, mode: 0o755))
        #expect(header.count == TarHeader.block)
        let stored = Int(String(decoding: header[148..<154], as: UTF8.self), radix: 8)
        var blank = header
        blank.replaceSubrange(148..<156, with: repeatElement(UInt8(ascii: " "), count: 8))
        #expect(stored == blank.reduce(0) { $0 + Int($1) })
        #expect(String(decoding: header[124..<135], as: UTF8.self) == "00000002322")
    }

    @Test(arguments: [99, 100, 101, 200, 989, 998, 999, 1000])
    func `a pax record counts its own length`(length: Int) throws {
        let path = String(repeating: "n", count: length)
        let bytes = TarHeader.bytes(path, .file(size: 0, mode: 0o644))
        guard length > 100 else {
            #expect(bytes.count == TarHeader.block)
            return
        }
        let body = bytes.dropFirst(TarHeader.block).prefix(length + 20)
        let text = String(decoding: body, as: UTF8.self)
        let count = try #require(Int(text.split(separator: " ")[0]))
        #expect(Array(body)[count - 1] == UInt8(ascii: "\n"))
        #expect(text.hasPrefix("\(count) path=\(path)\n"))
    }
}
