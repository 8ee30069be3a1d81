import Logging
import OrchModel
import OrchSystem
import Synchronization

/// The TCP door. It is open from the start where a port was asked for, and otherwise from the moment that somebody wants to
/// sign in with a browser: pages that stay open find every later agent at the same place.
final class WebDoor: Sendable {
    private enum State {
        case closed([CheckedContinuation<Int, any Error>])
        case open(port: Int)
        case failed(OrchError)
    }

    private let port: Int?
    private let addressFile: String
    private let portFile: String
    private let logger: Logger
    private let state = Mutex(State.closed([]))
    private let demand = Signal()

    /// - Parameters:
    ///   - port: 0 for a free one, `nil` to wait until it is wanted.
    ///   - addressFile: says where it is while it is open.
    ///   - portFile: says which port it had last, and thereby that it has been wanted.
    init(port: Int?, addressFile: String, portFile: String, logger: Logger) {
        self.port = port
        self.addressFile = addressFile
        self.portFile = portFile
        self.logger = logger
    }

    /// Opens it unless it is.
    ///
    /// - Returns: its port.
    func open() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known: Result<Int, any Error>? = state.withLock { state in
                switch state {
                case .open(let port): return .success(port)
                case .failed(let error): return .failure(error)
                case .closed(let waiting):
                    state = .closed(waiting + [continuation])
                    return nil
                }
            }
            if let known { continuation.resume(with: known) } else { demand.send() }
        }
    }

    /// Runs until the task is cancelled.
    ///
    /// - Parameter serve: serves at a port, and tells the one that it has become.
    func run(_ serve: (Int, @escaping @Sendable (Int) -> Void) async throws -> Void) async throws {
        defer { close(OrchError(.unavailable, "the agent is ending")) }
        let earlier = (try? Files.readText(portFile)).flatMap { Int($0.filter(\.isNumber)) }
        if port == nil, earlier == nil {
            for await _ in demand.listen() where isWanted { break }
            if Task.isCancelled { return }
        }
        let wanted = port ?? earlier.flatMap { Sockets.isFree(port: $0) ? $0 : nil } ?? 0
        try await serve(wanted) { self.note(port: $0) }
        Files.remove(addressFile)
    }

    private var isWanted: Bool {
        state.withLock { if case .closed(let waiting) = $0 { !waiting.isEmpty } else { false } }
    }

    private func note(port: Int) {
        let address = "http://127.0.0.1:\(port)"
        do {
            try Files.replace(addressFile, with: address + "\n")
            try Files.replace(portFile, with: "\(port)\n")
        } catch {
            logger.warning("the address cannot be written down", metadata: ["cause": "\(error)"])
        }
        StandardStream.error.write("orch-agent: ready at \(address)\n")
        finish(.open(port: port), .success(port))
    }

    private func close(_ error: OrchError) { finish(.failed(error), .failure(error)) }

    private func finish(_ next: State, _ result: Result<Int, any Error>) {
        let waiting = state.withLock { state in
            defer { state = next }
            if case .closed(let waiting) = state { return waiting }
            return []
        }
        for continuation in waiting { continuation.resume(with: result) }
    }
}
