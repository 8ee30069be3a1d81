import Glibc
import NIOPosix
import OrchModel
import OrchSystem

/// File work of the repository: short pieces of it, on threads that may block.
enum FileWork {
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(OrchError) -> Value {
        do {
            return try await NIOThreadPool.singleton.runIfActive(body)
        } catch {
            throw translate(error)
        }
    }

    /// The same for what may take seconds: on a thread of its own.
    static func runLong<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(OrchError) -> Value {
        do {
            return try await runBlocking(name: "repository") { Result { try body() } }.get()
        } catch {
            throw translate(error)
        }
    }

    static func translate(_ error: any Error) -> OrchError {
        guard let error = error as? SystemError else { return OrchError(wrapping: error, "the repository failed") }
        switch error.errno {
        case ENOSPC, EDQUOT:
            return OrchError(
                .failed, "the agent's disk is full: free some space ('orch prune' helps), then try again", cause: error)
        default: return OrchError(.failed, "the repository cannot be used: \(error.reason)", cause: error)
        }
    }
}
