import Logging
import OrchModel
import OrchSystem

/// Sends the messages of one channel, one after the other. A channel that is down delays only itself.
struct ChannelWorker: Sendable {
    /// Pauses between attempts double up to the longest.
    private static let firstPause = TimeSpan.seconds(1)
    private static let longestPause = TimeSpan.seconds(300)
    /// After so long nobody wants to know any more.
    private static let lifetime = TimeSpan.seconds(3 * 86_400)
    /// So many go into one message at most.
    private static let mostTogether = 50
    /// The wall clock may be set, so it is looked at again.
    private static let longestSleep = TimeSpan.seconds(60)

    let settings: ChannelSettings
    let channel: any NotificationChannel
    let store: NotifierStore
    /// Sent to when there may be something to do.
    let news: Signal
    let logger: Logger

    private struct Progress {
        /// Until when what comes waits to be sent together.
        var gathersUntil = Timestamp(seconds: 0)
        /// Messages that have arrived, until the outbox knows it.
        var sent: Set<Int64> = []
        /// Messages up to this one go one by one: together they were refused, and one of them may be why.
        var aloneUpTo: Int64 = 0
    }

    /// Sends until the task is cancelled.
    func run() async {
        var progress = Progress()
        while !Task.isCancelled {
            let seen = news.count
            var wakeUp: Timestamp?
            do {
                wakeUp = try await sendAll(&progress)
            } catch {
                logger.error(
                    "the outbox cannot be used", metadata: ["channel": "\(settings.name)", "cause": "\(error)"])
                wakeUp = .now() + .seconds(1)
            }
            let span = wakeUp.map { min(max($0 - .now(), .zero), Self.longestSleep) } ?? Self.longestSleep
            await news.wait(after: seen, atMost: span.duration)
        }
    }

    /// - Returns: when to look again.
    /// - Throws: when the outbox cannot be read or written.
    private func sendAll(_ progress: inout Progress) async throws -> Timestamp? {
        while !Task.isCancelled {
            let now = Timestamp.now()
            guard let message = try await store.next(of: settings.name, at: now) else { return nil }
            if message.due > now { return message.due }
            var batch = [message]
            if !progress.sent.contains(message.id) {
                if let open = try await store.opening(of: settings.name, settings.rate, at: now) { return open }
                let isAlone = settings.together == .zero || message.id <= progress.aloneUpTo
                if !isAlone, progress.gathersUntil > now, message.attempts == 0 { return progress.gathersUntil }
                if !isAlone { batch += try await others(than: message, progress.sent, at: now) }
                do throws(OrchError) {
                    try await channel.send(Notification(together: batch.map(\.notification)))
                } catch {
                    if Task.isCancelled { return nil }
                    if error.code == .invalidRequest, batch.count > 1 {
                        progress.aloneUpTo = batch.map(\.id).max() ?? message.id
                        continue
                    }
                    let isOver = error.code == .invalidRequest || now - message.notification.createdAt > Self.lifetime
                    if isOver {
                        try await giveUp(message, error)
                    } else {
                        return try await postpone(message, error, at: now)
                    }
                    continue
                }
                progress.gathersUntil = .now() + settings.together
                progress.sent.formUnion(batch.map(\.id))
            }
            try await remove(batch, .sent) { "\($0.notification.occasion.rawValue) by \(settings.name)" }
            progress.sent.subtract(batch.map(\.id))
        }
        return nil
    }

    /// What can be sent with a message.
    private func others(
        than message: OutboxMessage, _ sent: Set<Int64>, at now: Timestamp
    ) async throws -> [OutboxMessage] {
        try await store.due(of: settings.name, at: now, limit: Self.mostTogether).filter {
            $0.id != message.id && !sent.contains($0.id)
        }
    }

    private func giveUp(_ message: OutboxMessage, _ error: OrchError) async throws {
        logger.error(
            "a notification cannot be sent", metadata: ["channel": "\(settings.name)", "cause": "\(error.message)"])
        try await remove([message], .failed) { _ in "\(settings.name): \(error.message)" }
    }

    /// Those behind it wait, so that they stay in order.
    ///
    /// - Returns: when it is tried again.
    private func postpone(_ message: OutboxMessage, _ error: OrchError, at now: Timestamp) async throws -> Timestamp {
        let pause = Self.pause(after: message.attempts)
        logger.warning(
            "a notification is tried again",
            metadata: ["channel": "\(settings.name)", "in": "\(pause)", "cause": "\(error.message)"])
        try await store.postpone(message, until: now + pause)
        return now + pause
    }

    private func remove(
        _ messages: [OutboxMessage], _ kind: NotificationRecord.Kind, text: (OutboxMessage) -> String
    ) async throws {
        try await store.remove(
            messages.map(\.id),
            messages.map {
                NotificationRecord(at: .now(), kind: kind, incident: $0.notification.incident.id, text: text($0))
            }, pass: kind == .sent ? (settings.name, .now()) : nil)
    }

    private static func pause(after attempts: Int) -> TimeSpan {
        min(longestPause, TimeSpan(nanoseconds: firstPause.nanoseconds << Int64(min(attempts, 16))))
    }
}
