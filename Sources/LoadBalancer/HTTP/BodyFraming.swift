/// How the end of a message's body is known (RFC 9112, 6.3).
enum BodyFraming: Equatable {
    case none
    case length(Int64)
    case chunked
    /// The connection's end, for answers only.
    case untilClose
}

/// Follows a body to its end over any number of reads. Bodies are passed on as they come; this only counts.
struct BodyScanner {
    private enum State {
        case done
        case counted(Int64)
        case open
        case size(digits: Int, value: Int64, line: Int)
        case sizeExtension(value: Int64, line: Int)
        case sizeLineFeed(value: Int64)
        case data(Int64)
        case dataReturn
        case dataLineFeed
        case trailer(lineLength: Int, total: Int)
        case trailerLineFeed(lineLength: Int, total: Int)
    }

    private var state: State

    init(_ framing: BodyFraming) {
        switch framing {
        case .none, .length(0): state = .done
        case .length(let count): state = .counted(count)
        case .chunked: state = .size(digits: 0, value: 0, line: 0)
        case .untilClose: state = .open
        }
    }

    var isDone: Bool { if case .done = state { true } else { false } }

    /// Whether the connection's end is the body's.
    var endsWithConnection: Bool { if case .open = state { true } else { false } }

    /// Whether the body can be ended here with a last chunk without cutting one in two.
    var isBetweenChunks: Bool { if case .size(digits: 0, _, line: 0) = state { true } else { false } }

    /// - Returns: how many of the bytes belong to the body; fewer than there are only when it is done.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(HTTPViolation) -> Int {
        var index = 0
        while index < bytes.count {
            switch state {
            case .done: return index
            case .open: return bytes.count
            case .counted(let rest):
                let taken = min(rest, Int64(bytes.count - index))
                index += Int(taken)
                state = taken == rest ? .done : .counted(rest - taken)
            case .data(let rest):
                let taken = min(rest, Int64(bytes.count - index))
                index += Int(taken)
                state = taken == rest ? .dataReturn : .data(rest - taken)
            default:
                state = try next(state, bytes[index])
                index += 1
            }
        }
        return index
    }

    private func next(_ state: State, _ byte: UInt8) throws(HTTPViolation) -> State {
        switch state {
        case .size(let digits, let value, let line):
            if let digit = Self.hexDigit(byte) {
                // 15 digits stay clear of the sign.
                guard digits < 15 else { throw .bad("a chunk is too large") }
                return .size(digits: digits + 1, value: value << 4 | digit, line: line + 1)
            }
            guard digits > 0 else { throw .bad("a chunk has no size") }
            if byte == HTTPSyntax.carriageReturn { return .sizeLineFeed(value: value) }
            guard byte == UInt8(ascii: ";") else { throw .bad("the size of a chunk is no number") }
            return .sizeExtension(value: value, line: line + 1)
        case .sizeExtension(let value, let line):
            if byte == HTTPSyntax.carriageReturn { return .sizeLineFeed(value: value) }
            guard byte >= 0x20 || byte == HTTPSyntax.tab, line < HTTPLimits.chunkLine else {
                throw .bad("the extension of a chunk is malformed")
            }
            return .sizeExtension(value: value, line: line + 1)
        case .sizeLineFeed(let value):
            guard byte == HTTPSyntax.lineFeed else { throw .bad("a chunk's size line ends without a line feed") }
            return value == 0 ? .trailer(lineLength: 0, total: 0) : .data(value)
        case .dataReturn:
            guard byte == HTTPSyntax.carriageReturn else { throw .bad("a chunk is longer than it says") }
            return .dataLineFeed
        case .dataLineFeed:
            guard byte == HTTPSyntax.lineFeed else { throw .bad("a chunk is longer than it says") }
            return .size(digits: 0, value: 0, line: 0)
        case .trailer(let length, let total):
            if byte == HTTPSyntax.carriageReturn { return .trailerLineFeed(lineLength: length, total: total + 1) }
            guard byte >= 0x20 || byte == HTTPSyntax.tab, total < HTTPLimits.trailers else {
                throw .bad("the trailers are malformed or too long")
            }
            return .trailer(lineLength: length + 1, total: total + 1)
        case .trailerLineFeed(let length, let total):
            guard byte == HTTPSyntax.lineFeed else { throw .bad("a trailer ends without a line feed") }
            return length == 0 ? .done : .trailer(lineLength: 0, total: total + 1)
        case .done, .open, .counted, .data: return state
        }
    }

    private static func hexDigit(_ byte: UInt8) -> Int64? {
        switch byte {
        case 48...57: Int64(byte - 48)
        case 65...70: Int64(byte - 55)
        case 97...102: Int64(byte - 87)
        default: nil
        }
    }
}
