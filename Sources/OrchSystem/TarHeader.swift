/// The block before each entry of a tar archive, in the format of POSIX.1-2001 (pax, "pax Interchange Format"): the same for
/// the same entry, whoever writes it and when.
package enum TarHeader {
    package static let block = 512
    /// Two empty blocks end an archive.
    package static let end = [UInt8](repeating: 0, count: 2 * block)

    package enum Kind: Sendable {
        /// - Parameter mode: permission bits.
        case file(size: Int64, mode: UInt32)
        case folder
        case symbolicLink(target: String)
    }

    private static let longestName = 100
    /// What eleven octal digits hold.
    private static let largestSize: Int64 = 1 << 33

    /// - Parameter path: relative, without a slash at its end.
    package static func bytes(_ path: String, _ kind: Kind) -> [UInt8] {
        var records: [(String, String)] = []
        let name = if case .folder = kind { path + "/" } else { path }
        if name.utf8.count > longestName || !name.utf8.allSatisfy({ $0 < 0x80 }) { records.append(("path", name)) }
        var size: Int64 = 0
        var (type, mode, target) = (UInt8(ascii: "0"), 0o644, "")
        switch kind {
        case .file(let bytes, let bits):
            (size, mode) = (bytes, Int(bits & 0o777))
            if size >= largestSize { records.append(("size", String(size))) }
        case .folder: (type, mode) = (UInt8(ascii: "5"), 0o755)
        case .symbolicLink(let link):
            (type, mode, target) = (UInt8(ascii: "2"), 0o777, link)
            if link.utf8.count > longestName || !link.utf8.allSatisfy({ $0 < 0x80 }) {
                records.append(("linkpath", link))
            }
        }
        var bytes: [UInt8] = []
        if !records.isEmpty {
            let body = records.flatMap { Array(record($0.0, $0.1).utf8) }
            bytes += header("PaxHeaders/0", UInt8(ascii: "x"), 0o644, Int64(body.count), "")
            bytes += body + padding(after: Int64(body.count))
        }
        return bytes + header(name, type, mode, size < largestSize ? size : 0, target)
    }

    /// What fills the last block of a content.
    package static func padding(after size: Int64) -> [UInt8] {
        [UInt8](repeating: 0, count: Int((Int64(block) - size % Int64(block)) % Int64(block)))
    }

    /// `LENGTH KEY=VALUE\n`, where the length counts itself.
    private static func record(_ key: String, _ value: String) -> String {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count
        while String(length).utf8.count + rest.utf8.count != length {
            length = String(length).utf8.count + rest.utf8.count
        }
        return "\(length)\(rest)"
    }

    private static func header(_ name: String, _ type: UInt8, _ mode: Int, _ size: Int64, _ target: String) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.block)
        func put(_ bytes: some Sequence<UInt8>, _ offset: Int, upTo count: Int) {
            for (index, byte) in bytes.prefix(count).enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int64, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
        }
        put(name.utf8, 0, upTo: longestName)
        put(octal(Int64(mode), 7), 100, upTo: 7)
        put(octal(0, 7), 108, upTo: 7)
        put(octal(0, 7), 116, upTo: 7)
        put(octal(size, 11), 124, upTo: 11)
        put(octal(0, 11), 136, upTo: 11)
        put(repeatElement(UInt8(ascii: " "), count: 8), 148, upTo: 8)
        block[156] = type
        put(target.utf8, 157, upTo: longestName)
        put("ustar\u{0}00".utf8, 257, upTo: 8)
        let sum = block.reduce(0) { $0 + Int64($1) }
        put(octal(sum, 6) + [0, UInt8(ascii: " ")], 148, upTo: 8)
        return block
    }
}
