package import Logging
package import OrchModel
import OrchSystem

/// Keeps requests that change something. OrchAgent joins it to the store.
package protocol RequestHistory: Sendable {
    func begin(_ request: RequestRecord) async throws -> Int64
    func finish(_ request: RequestRecord) async throws
    func requests(with words: String, before: Int64?, limit: Int) async throws -> [RequestRecord]
}

/// Who asked for what, and what came of it: every request becomes a line of the topic `Request_Manager`, and one of somebody
/// known that changes something is written down before it is carried out.
package struct RequestLog: Sendable {
    /// What a request does to what the agent keeps or runs.
    package enum Effect: Sendable {
        case nothing, change
        /// It ends or removes something, and is carried out even when it cannot be written down because the disk is full.
        case end
    }

    private let history: any RequestHistory
    private let logger: Logger

    package init(history: any RequestHistory, logger: Logger) {
        self.history = history
        self.logger = logger
    }

    /// - Parameters:
    ///   - path: without the query, which may hold what is nobody's business.
    ///   - from: where it comes from: see ``RequestRecord``.
    ///   - person: who asks: see ``RequestRecord``. What nobody known asks is refused, and must not fill the disk.
    ///   - answer: carries the request out and gives its HTTP status.
    package func record<Answer>(
        _ method: String, _ path: String, from: String, by person: String?, effect: Effect,
        status: (Answer) -> Int, answer: () async throws -> Answer
    ) async throws -> Answer {
        let start = ContinuousClock.now
        var record = RequestRecord(
            id: 0, at: .now(), method: method, path: path, from: from, by: person, status: 0, milliseconds: 0)
        var isKept = effect != .nothing && person != nil
        if isKept {
            do {
                record.id = try await history.begin(record)
            } catch {
                guard effect == .end else {
                    throw OrchError(
                        .failed, "the agent cannot write the request down: free some disk space and try again",
                        cause: error)
                }
                isKept = false
            }
        }
        let result: Result<Answer, any Error>
        do { result = .success(try await answer()) } catch { result = .failure(error) }
        switch result {
        case .success(let answer): record.status = status(answer)
        case .failure(let error): record.status = (error as? OrchError)?.code.httpStatus ?? 500
        }
        let elapsed = (ContinuousClock.now - start).components
        record.milliseconds = Double(elapsed.seconds) * 1000 + Double(elapsed.attoseconds / 1_000_000_000) / 1e6
        if isKept { try? await history.finish(record) }
        // Pages bring many files along, which tell nobody anything.
        let usual: Logger.Level = path.hasPrefix("/assets/") ? .debug : .info
        logger.log(
            level: record.status >= 500 ? .error : usual, "\(method) \(path)",
            metadata: ["status": "\(record.status)", "ms": "\(record.milliseconds)", "from": "\(from)"])
        return try result.get()
    }

    /// The newest first.
    ///
    /// - Parameters:
    ///   - words: what their fields must hold; empty for all. Only the last ten thousand are looked through.
    ///   - before: only those whose id is below.
    package func latest(_ limit: Int, with words: String = "", before: Int64? = nil) async throws -> [RequestRecord] {
        try await history.requests(with: words, before: before, limit: limit)
    }
}
