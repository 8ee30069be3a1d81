import OrchModel
import OrchSystem

/// Where a command writes: data to standard output, everything else to standard error.
struct Console: Sendable {
    enum Format: String, Sendable { case table, wide, json, jsonl, yaml, name }
    enum Style: Int, Sendable {
        case bold = 1
        case dim = 2
        case red = 31
        case green = 32
        case yellow = 33
        case cyan = 36
    }

    let format: Format
    let isQuiet: Bool
    private let colorsOutput: Bool
    private let colorsError: Bool

    init(format: Format?, color: String?, isQuiet: Bool, environment: [String: String]) {
        self.format = format ?? .table
        self.isQuiet = isQuiet
        // NO_COLOR (no-color.org) counts when it is set to anything but the empty text.
        let isWelcome = environment["NO_COLOR"]?.isEmpty ?? true && environment["TERM"] != "dumb"
        colorsOutput = color == "always" || color != "never" && isWelcome && StandardStream.output.isTerminal
        colorsError = color == "always" || color != "never" && isWelcome && StandardStream.error.isTerminal
    }

    /// Data. When nobody reads any longer the program ends quietly.
    func print(_ line: String) throws {
        guard StandardStream.output.write(line + "\n") else { throw ClosedPipe() }
    }

    /// A line of bytes that need not be text.
    func print(_ line: [UInt8]) throws { try write(line + [UInt8(ascii: "\n")]) }

    func write(_ bytes: [UInt8]) throws {
        guard StandardStream.output.write(bytes) else { throw ClosedPipe() }
    }

    /// Begins at the top again, where a person looks on.
    func clear() {
        if StandardStream.output.isTerminal { StandardStream.output.write("\u{1b}[H\u{1b}[J") }
    }

    /// A word on what goes on; not with `--quiet`.
    func note(_ line: String) {
        if !isQuiet { StandardStream.error.write(line + "\n") }
    }

    func error(_ message: String) {
        StandardStream.error.write("\(styled("orch:", .red, on: .error)) \(message)\n")
    }

    func styled(_ text: String, _ style: Style?, on stream: StandardStream = .output) -> String {
        guard let style, stream == .output ? colorsOutput : colorsError else { return text }
        return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
    }
}

/// Whoever read our output has gone, which is no error of ours.
struct ClosedPipe: Error {}
