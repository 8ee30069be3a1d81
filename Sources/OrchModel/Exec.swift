/// A command that is run within an instance, beside its program.
package struct ExecPlan: Sendable {
    package var command: [String]
    /// Its size; `nil` where the command has no terminal.
    package var terminal: TerminalSize?
    /// Whether it gets anything to read.
    package var takesInput: Bool

    package init(command: [String], terminal: TerminalSize?, takesInput: Bool) {
        self.command = command
        self.terminal = terminal
        self.takesInput = takesInput
    }
}

/// In characters.
package struct TerminalSize: Hashable, Sendable {
    package var rows: Int
    package var columns: Int

    package init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
    }
}

/// What goes to a command.
package enum ExecInput: Hashable, Sendable {
    case bytes([UInt8])
    /// There is nothing more to read.
    case end
    case resize(TerminalSize)
}

/// What comes from a command.
package enum ExecOutput: Hashable, Sendable {
    case output([UInt8])
    case errors([UInt8])
}

/// One message between `orch exec` and the agent, which go both ways at once: a byte for the kind, four for the length, most
/// significant first, and the content.
package enum ExecMessage: Hashable, Sendable {
    case input(ExecInput)
    case output(ExecOutput)
    /// The command's exit status; the last message.
    case exit(Int32)
    /// The command could not be run to its end, with an ``ErrorBody`` as JSON; the last message.
    case failure([UInt8])

    fileprivate static let headLength = 5
    /// Bytes of one content; longer ones are refused.
    fileprivate static let longest = 1 << 20

    package var encoded: [UInt8] {
        let (kind, content) = parts
        let length = UInt32(content.count)
        return [kind] + (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) } + content
    }

    private var parts: (UInt8, [UInt8]) {
        switch self {
        case .input(.bytes(let bytes)): (0, bytes)
        case .input(.end): (1, [])
        case .input(.resize(let size)): (2, Array("\(size.rows) \(size.columns)".utf8))
        case .output(.output(let bytes)): (3, bytes)
        case .output(.errors(let bytes)): (4, bytes)
        case .exit(let status): (5, Array(String(status).utf8))
        case .failure(let body): (6, body)
        }
    }

    fileprivate init?(_ kind: UInt8, _ content: [UInt8]) {
        let text = String(decoding: content, as: UTF8.self)
        switch kind {
        case 0: self = .input(.bytes(content))
        case 1: self = .input(.end)
        case 2:
            let numbers = text.split(separator: " ").compactMap { Int($0) }
            guard numbers.count == 2, numbers.allSatisfy({ (1...10_000).contains($0) }) else { return nil }
            self = .input(.resize(TerminalSize(rows: numbers[0], columns: numbers[1])))
        case 3: self = .output(.output(content))
        case 4: self = .output(.errors(content))
        case 5:
            guard let status = Int32(text) else { return nil }
            self = .exit(status)
        case 6: self = .failure(content)
        default: return nil
        }
    }
}

/// Cuts a stream of bytes into messages.
package struct ExecMessageReader: Sendable {
    private var bytes: [UInt8] = []

    package init() {}

    package mutating func add(_ more: some Sequence<UInt8>) { bytes += more }

    /// - Returns: `nil` until more has come.
    /// - Throws: `invalidRequest` for what is no message.
    package mutating func next() throws(OrchError) -> ExecMessage? {
        guard bytes.count >= ExecMessage.headLength else { return nil }
        let length = bytes[1..<ExecMessage.headLength].reduce(0) { $0 << 8 | Int($1) }
        guard length <= ExecMessage.longest else { throw Self.misunderstood }
        guard bytes.count >= ExecMessage.headLength + length else { return nil }
        let content = Array(bytes[ExecMessage.headLength..<(ExecMessage.headLength + length)])
        guard let message = ExecMessage(bytes[0], content) else { throw Self.misunderstood }
        bytes.removeFirst(ExecMessage.headLength + length)
        return message
    }

    private static var misunderstood: OrchError {
        OrchError(.invalidRequest, "the other side sends what is not understood: is it of another version?")
    }
}
