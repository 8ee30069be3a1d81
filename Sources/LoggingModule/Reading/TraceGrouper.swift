/// Tells which lines of a stream go on from the one before, as the stack traces of Java, Python, Go, Node, Ruby, .NET and Rust
/// do. Looks at each line once and keeps nothing of it.
struct TraceGrouper {
    private enum State {
        case plain
        /// Behind `Traceback`: indented lines, and the one that names the exception.
        case python
        /// Behind `goroutine N [...]:`, up to an empty line.
        case goroutine
        /// Behind `panic:` or `fatal error:`, where goroutines follow.
        case goPanic
    }

    private var state = State.plain
    private var isFirst = true

    /// Whether this line goes on from those before.
    mutating func continues(_ line: UnsafeRawBufferPointer) -> Bool {
        defer { isFirst = false }
        let goesOn = judge(line)
        return goesOn && !isFirst
    }

    private mutating func judge(_ line: UnsafeRawBufferPointer) -> Bool {
        if line.starts(with: Self.traceback) {
            state = .python
            return true
        }
        if line.starts(with: Self.goroutine), line.last == UInt8(ascii: ":") {
            let isInPanic = state != .plain
            state = .goroutine
            return isInPanic
        }
        switch state {
        case .python:
            if isIndented(line) || line.isEmpty { return true }
            // The exception itself ends it, unless another one follows that it led to.
            let isLink = Self.pythonLinks.contains { line.starts(with: $0) }
            if !isLink { state = .plain }
            return true
        case .goroutine:
            if line.isEmpty { state = .goPanic }
            return true
        case .goPanic:
            if line.isEmpty || line.starts(with: Self.signal) || line.starts(with: Self.exitStatus) { return true }
            state = .plain
            return isContinuation(line)
        case .plain:
            if line.starts(with: Self.panic) || line.starts(with: Self.fatal) {
                state = .goPanic
                return false
            }
            return isContinuation(line)
        }
    }

    private func isIndented(_ line: UnsafeRawBufferPointer) -> Bool {
        line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t")
    }

    private func isContinuation(_ line: UnsafeRawBufferPointer) -> Bool {
        if line.first == UInt8(ascii: "\t") || (line.count > 1 && line[0] == 0x20 && line[1] == 0x20) { return true }
        return Self.heads.contains { line.starts(with: $0) }
    }

    private static let traceback = Array("Traceback (most recent call last):".utf8)
    private static let goroutine = Array("goroutine ".utf8)
    private static let panic = Array("panic: ".utf8)
    private static let fatal = Array("fatal error: ".utf8)
    private static let signal = Array("[signal ".utf8)
    private static let exitStatus = Array("exit status ".utf8)
    private static let heads = ["Caused by: ", "Suppressed: ", "stack backtrace:", "note: run with `RUST_BACKTRACE"].map
    {
        Array($0.utf8)
    }
    private static let pythonLinks = [
        "During handling of the above exception", "The above exception was the direct cause",
    ].map { Array($0.utf8) }
}
