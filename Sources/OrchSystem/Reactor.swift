import COrchSystem
import Glibc
import Synchronization

/// One thread that waits for many descriptors (epoll) and calls their handlers.
///
/// Handlers run on that thread one after the other and must not block.
package final class Reactor: Sendable {
    package struct Token: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct State {
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var descriptors: [UInt64: Int32] = [:]
        var lastNumber: UInt64 = 0
        /// Run by the thread itself, after the handlers of a round.
        var cleanUps: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let epoll: Int32
    private let wakeUp: Int32
    private let state = Mutex(State())

    package init(name: String) throws(SystemError) {
        epoll = try checked("epoll_create1", orch_epoll_create())
        wakeUp = try checked("eventfd", orch_eventfd())
        try checked("epoll_ctl", orch_epoll_add(epoll, wakeUp, 0))
        // Strong on purpose: the thread ends by `stop`, which every owner calls.
        startThread(name: name) { self.loop() }
    }

    /// Calls `handler` whenever `descriptor` is readable or closed by the other end, until ``unwatch(_:then:)``.
    package func watch(_ descriptor: Int32, _ handler: @escaping @Sendable () -> Void) throws(SystemError) -> Token {
        let number = state.withLock { state in
            state.lastNumber += 1
            state.handlers[state.lastNumber] = handler
            state.descriptors[state.lastNumber] = descriptor
            return state.lastNumber
        }
        do throws(SystemError) {
            try checked("epoll_ctl", orch_epoll_add(epoll, descriptor, number))
        } catch {
            state.withLock { state in
                state.handlers[number] = nil
                state.descriptors[number] = nil
            }
            throw error
        }
        return Token(number: number)
    }

    /// Stops watching. `cleanUp` runs on the reactor's thread when no handler can use the descriptor any longer, so it is
    /// the place to close it. A second call for the same token does nothing.
    package func unwatch(_ token: Token, then cleanUp: @escaping @Sendable () -> Void = {}) {
        let descriptor = state.withLock { state -> Int32? in
            state.handlers[token.number] = nil
            return state.descriptors.removeValue(forKey: token.number)
        }
        guard let descriptor else { return }
        _ = orch_epoll_remove(epoll, descriptor)
        state.withLock { $0.cleanUps.append(cleanUp) }
        wake()
    }

    package func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, 8)
    }

    private func loop() {
        var tokens = [UInt64](repeating: 0, count: 128)
        while true {
            let count = orch_epoll_wait(epoll, &tokens, tokens.count)
            for token in tokens.prefix(Int(max(0, count))) {
                if token == 0 {
                    var drained: UInt64 = 0
                    _ = read(wakeUp, &drained, 8)
                    continue
                }
                let handler = state.withLock { $0.handlers[token] }
                handler?()
            }
            let (cleanUps, isStopping) = state.withLock { state in
                let cleanUps = state.cleanUps
                state.cleanUps = []
                return (cleanUps, state.isStopping)
            }
            for cleanUp in cleanUps { cleanUp() }
            if isStopping {
                close(epoll)
                close(wakeUp)
                return
            }
        }
    }
}
