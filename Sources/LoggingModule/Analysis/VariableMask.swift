/// Replaces the parts of a line that vary from one time to the next by `<*>`: numbers, times, addresses, identifiers.
enum VariableMask {
    /// Longer lines are looked at up to here, in bytes.
    static let horizon = 512

    /// - Returns: the words of the line, masked.
    static func words(of line: some StringProtocol) -> [String] {
        line.prefix(horizon).split(omittingEmptySubsequences: true) { $0 == " " || $0 == "\t" || $0 == "\n" }.map {
            mask($0)
        }
    }

    /// Runs of letters and digits that have a digit are masked; a name in front of the digits stays, as in `worker-3`.
    static func mask(_ word: some StringProtocol) -> String {
        let bytes = Array(word.utf8)
        guard bytes.contains(where: \.isDigitByte) else { return String(word) }
        if bytes.count == uuidLength, bytes.allSatisfy({ $0.isHexByte || $0 == UInt8(ascii: "-") }) { return "<*>" }
        var masked: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index].isWordByte else {
                masked.append(bytes[index])
                index += 1
                continue
            }
            let start = index
            while index < bytes.count, bytes[index].isWordByte { index += 1 }
            append(bytes[start..<index], to: &masked)
        }
        return collapse(masked)
    }

    private static func append(_ run: ArraySlice<UInt8>, to masked: inout [UInt8]) {
        guard run.contains(where: \.isDigitByte) else {
            masked += run
            return
        }
        let letters = run.prefix { !$0.isDigitByte }
        let digits = run.starts(with: hexPrefix) ? run.dropFirst(hexPrefix.count) : run
        let isIdentifier = (run.count >= 8 || digits.count < run.count) && digits.allSatisfy(\.isHexByte)
        // A name in front of the digits, or a unit behind them, tells something.
        let unit = run.reversed().prefix { !$0.isDigitByte }
        if !isIdentifier { masked += letters }
        masked += star
        if !isIdentifier, unit.count <= 3, letters.count + unit.count < run.count { masked += unit.reversed() }
    }

    private static let uuidLength = 36
    private static let hexPrefix = Array("0x".utf8)
    private static let star = Array("<*>".utf8)
    /// Marks that stand between the parts of times and addresses.
    private static let joints = Set(".:-/+,".utf8)

    /// `<*>-<*>-<*>` and the like become one.
    private static func collapse(_ masked: [UInt8]) -> String {
        var text: [UInt8] = []
        var index = 0
        while index < masked.count {
            if masked[index...].starts(with: star) {
                if text.count >= 4, joints.contains(text[text.count - 1]), text.dropLast().suffix(3).elementsEqual(star)
                {
                    text.removeLast()
                } else if !text.suffix(3).elementsEqual(star) {
                    text += star
                }
                index += 3
            } else {
                text.append(masked[index])
                index += 1
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var isDigitByte: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    fileprivate var isHexByte: Bool {
        isDigitByte || (self | 0x20) >= UInt8(ascii: "a") && (self | 0x20) <= UInt8(ascii: "f")
    }

    /// Letters and digits, and everything beyond ASCII.
    fileprivate var isWordByte: Bool {
        isDigitByte || (self | 0x20) >= UInt8(ascii: "a") && (self | 0x20) <= UInt8(ascii: "z") || self >= 0x80
    }
}
