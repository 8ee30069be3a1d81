import Dispatch
import Glibc
import OrchModel
import OrchSystem

/// What a person or a pipe gives to a command that runs elsewhere: bytes of standard input, and changes of the terminal's size.
struct TerminalInput {
    private static let piece = 65_536

    let items: AsyncStream<ExecInput>
    private let continuation: AsyncStream<ExecInput>.Continuation
    /// Lets the next bytes be read: a pipe that is faster than the command must not fill the memory.
    let wanted = Semaphore()
    private let resizes: any DispatchSourceSignal

    /// - Parameters:
    ///   - readsInput: whether standard input is handed on.
    ///   - hasTerminal: whether changes of its size are.
    init(readsInput: Bool, hasTerminal: Bool) {
        (items, continuation) = AsyncStream.makeStream()
        resizes = DispatchSource.makeSignalSource(signal: SIGWINCH, queue: .global())
        if hasTerminal {
            resizes.setEventHandler { [continuation] in
                if let size = Terminal.size(of: STDIN_FILENO) { continuation.yield(.resize(size)) }
            }
        }
        resizes.resume()
        if readsInput {
            startThread(name: "input") { [continuation, wanted] in
                var chunk = [UInt8](repeating: 0, count: Self.piece)
                while true {
                    let count = chunk.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { break }
                    continuation.yield(.bytes(Array(chunk[0..<count])))
                    wanted.wait()
                }
                continuation.yield(.end)
            }
        } else {
            continuation.yield(.end)
        }
    }

    func end() {
        resizes.cancel()
        continuation.finish()
    }
}
