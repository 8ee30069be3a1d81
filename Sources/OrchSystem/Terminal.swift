import COrchSystem
package import Glibc
package import OrchModel

/// Our end of a pseudoterminal (pty(7)), closed when nobody holds it any longer.
package final class Terminal: Sendable {
    package let descriptor: Descriptor

    /// What ends the input of whoever reads the other end: the character of Ctrl-D.
    package let endOfFile: UInt8 = 4

    private init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// - Parameter body: gets our end, and that for a program, which is closed afterwards.
    package static func make<Result, Failure: Error>(
        size: TerminalSize, _ body: (Terminal, borrowing Descriptor) throws(Failure) -> Result
    ) throws -> Result {
        var ends: [Int32] = [0, 0]
        try checked("openpty", orch_terminal(&ends))
        let terminal = Terminal(Descriptor(owning: ends[0]))
        let other = Descriptor(owning: ends[1])
        terminal.resize(to: size)
        return try body(terminal, other)
    }

    package func resize(to size: TerminalSize) {
        orch_set_terminal_size(descriptor.number, UInt16(clamping: size.rows), UInt16(clamping: size.columns))
    }

    /// That of the terminal behind a descriptor; `nil` where there is none.
    package static func size(of number: Int32) -> TerminalSize? {
        var (rows, columns): (UInt16, UInt16) = (0, 0)
        guard orch_terminal_size(number, &rows, &columns) == 0, rows > 0, columns > 0 else { return nil }
        return TerminalSize(rows: Int(rows), columns: Int(columns))
    }

    /// Has the terminal behind a descriptor hand on every key as it is.
    ///
    /// - Returns: its settings, for ``restore(_:_:)``; `nil` where there is none.
    package static func makeRaw(_ number: Int32) -> termios? {
        var settings = termios()
        guard tcgetattr(number, &settings) == 0 else { return nil }
        var raw = settings
        cfmakeraw(&raw)
        tcsetattr(number, TCSADRAIN, &raw)
        return settings
    }

    package static func restore(_ number: Int32, _ settings: termios) {
        var settings = settings
        tcsetattr(number, TCSADRAIN, &settings)
    }
}

/// Both ends of a pipe, closed when nobody holds them any longer.
package struct Pipe: ~Copyable {
    package let reading: Descriptor
    package let writing: Descriptor

    package init() throws(SystemError) {
        var ends: [Int32] = [0, 0]
        try checked("pipe", orch_pipe(&ends))
        reading = Descriptor(owning: ends[0])
        writing = Descriptor(owning: ends[1])
    }
}
