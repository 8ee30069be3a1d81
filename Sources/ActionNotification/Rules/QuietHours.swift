import OrchModel
import OrchSystem

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
        let midnight = (local - Int64(clock.minutes) * 60).floorDivided(by: 60) * 60
        let localEnd = midnight + Int64(end > clock ? end.minutes : end.minutes + 24 * 60) * 60
        // The clock may be changed until then.
        let offset = zone.offset(at: localEnd - zone.offset(at: now.seconds))
        return Timestamp(seconds: localEnd - offset)
    }
}

/// A time of the day, in minutes from midnight.
struct ClockTime: Comparable {
    let minutes: Int

    init(minutes: Int) { self.minutes = minutes }

    /// - Parameter text: `HH:MM`.
    init?(_ text: String) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]), (0...23).contains(hour),
            (0...59).contains(minute)
        else { return nil }
        minutes = hour * 60 + minute
    }

    static func < (left: ClockTime, right: ClockTime) -> Bool { left.minutes < right.minutes }
}
