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
    /// The wall clock may be set, so it is looked at again.
    private static let longestSleep = TimeSpan.seconds(60)

    let settings: ChannelSettings
    let channel: any NotificationChannel
    let store: NotifierStore
    /// Sent to when there may be something to do.
    let news: Signal
    let logger: Logger

    /// Sends until the task is cancelled.
    func run() async {
        var gate = RateGate(settings.rate)
        while !Task.isCancelled {
            var wakeUp: Timestamp?
            do {
                wakeUp = try await sendAll(&gate)
            } catch {
                logger.error(
                    "the outbox cannot be read", metadata: ["channel": "\(settings.name)", "cause": "\(error)"])
                wakeUp = .now() + .seconds(1)
            }
            await sleep(until: wakeUp)
        }
    }

    /// - Returns: when to look again.
    private func sendAll(_ gate: inout RateGate) async throws -> Timestamp? {
        while !Task.isCancelled {
            let now = Timestamp.now()
            guard let message = try await store.next(of: settings.name, at: now) else { return nil }
            if message.due > now { return message.due }
            if let open = gate.opens(at: now) { return open }
            do throws(OrchError) {
                try await channel.send(message.notification)
                gate.passed(at: .now())
                try await finish(message, .sent, "\(message.notification.occasion.rawValue) by \(settings.name)")
            } catch {
                if Task.isCancelled { return nil }
                let age = now - message.notification.incident.openedAt
                if error.code == .invalidRequest || age > Self.lifetime {
                    logger.error(
                        "a notification cannot be sent",
                        metadata: ["channel": "\(settings.name)", "cause": "\(error.message)"])
                    try await finish(message, .failed, "\(settings.name): \(error.message)")
                } else {
                    let pause = Self.pause(after: message.attempts)
                    logger.warning(
                        "a notification is tried again",
                        metadata: ["channel": "\(settings.name)", "in": "\(pause)", "cause": "\(error.message)"])
                    try await store.postpone(message, until: now + pause)
                    // Those behind it wait, so that they stay in order.
                    return now + pause
                }
            }
        }
        return nil
    }

    private func finish(_ message: OutboxMessage, _ kind: HistoryEntry.Kind, _ text: String) async throws(OrchError) {
        do {
            try await store.remove(
                message,
                HistoryEntry(at: .now(), kind: kind, incident: message.notification.incident.id, text: text))
        } catch {
            throw OrchError(.failed, "what was sent cannot be written down", cause: error)
        }
    }

    private static func pause(after attempts: Int) -> TimeSpan {
        min(longestPause, TimeSpan(nanoseconds: firstPause.nanoseconds << Int64(min(attempts, 16))))
    }

    private func sleep(until time: Timestamp?) async {
        let span = time.map { min(max($0 - .now(), .zero), Self.longestSleep) } ?? Self.longestSleep
        let changed = news.listen().dropFirst()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: span.duration) }
            group.addTask { for await _ in changed { return } }
            await group.next()
            group.cancelAll()
        }
    }
}

/// Lets so many through in a time.
struct RateGate: Sendable {
    private let rate: ChannelSettings.Rate
    private var passes: [Timestamp] = []

    init(_ rate: ChannelSettings.Rate) { self.rate = rate }

    /// - Returns: when it opens; `nil` when it is open.
    mutating func opens(at now: Timestamp) -> Timestamp? {
        guard rate.most > 0 else { return nil }
        passes.removeAll { $0 <= now - rate.within }
        guard passes.count >= rate.most, let first = passes.first else { return nil }
        return first + rate.within
    }

    mutating func passed(at now: Timestamp) { passes.append(now) }
}

extension ChannelSettings.QuietHours {
    /// When something may be sent: now, or at the end of the quiet hours.
    func due(_ severity: Severity, at now: Timestamp) -> Timestamp {
        guard let start = ClockTime(from), let end = ClockTime(to), severity < except else { return now }
        // The zone was checked when the file was read.
        let zone = (try? TimeZoneRules(named: timeZone)) ?? .utc
        let local = now.seconds + zone.offset(at: now.seconds)
        let clock = ClockTime(minutes: Int((local % 86_400 + 86_400) % 86_400 / 60))
        let isQuiet = start < end ? (start <= clock && clock < end) : (clock >= start || clock < end)
        guard isQuiet else { return now }
        let minutes = end > clock ? end.minutes - clock.minutes : end.minutes - clock.minutes + 24 * 60
        return Timestamp(seconds: now.seconds - now.seconds % 60 + Int64(minutes) * 60)
    }
}
