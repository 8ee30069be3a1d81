import FoundationEssentials
import Logging
import OrchModel

/// Sends notifications as mails (RFC 5322), by SMTP.
struct EmailChannel: NotificationChannel {
    let settings: ChannelSettings
    let logger: Logger

    func send(_ notification: Notification) async throws(OrchError) {
        let parts = settings.server.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else {
            throw OrchError(.invalidRequest, "\(settings.server.quotedOneLine) is no host and port")
        }
        let credentials =
            settings.user.isEmpty ? nil : (user: settings.user, password: try Channels.secret(settings.secretFile))
        let session = SMTPSession(
            host: String(parts[0]), port: port, security: settings.security, caFile: settings.caFile,
            credentials: credentials, timeout: settings.timeout)
        let refusals = try await session.send(
            from: settings.from, to: settings.to, message: message(notification))
        for refusal in refusals {
            logger.error(
                "somebody gets no mail", metadata: ["channel": "\(settings.name)", "cause": "\(refusal.message)"])
        }
    }

    /// Lines end with CR and LF; none is longer than 998 bytes, because the body is in Base64.
    func message(_ notification: Notification) -> String {
        let domain = settings.from.split(separator: "@").last.map(String.init) ?? "localhost"
        var lines = [
            "From: orch <\(settings.from)>", "To: \(settings.to.joined(separator: ", "))",
            "Subject: \(Self.encodedWord(notification.subject))",
            "Date: \(Self.date(notification.createdAt))",
            // The same for every attempt, so that what arrives twice can be told.
            "Message-ID: <\(notification.id)@\(domain)>",
            "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
        ]
        if notification.occasion != .opened {
            // Mail programs put it beside the first one.
            lines.append("In-Reply-To: <\(notification.incident.id).opened@\(domain)>")
            lines.append("References: <\(notification.incident.id).opened@\(domain)>")
        }
        let body = Data(notification.body.utf8).base64EncodedString()
        var rest = body[...]
        lines.append("")
        while !rest.isEmpty {
            lines.append(String(rest.prefix(76)))
            rest = rest.dropFirst(76)
        }
        return lines.joined(separator: "\r\n") + "\r\n"
    }

    /// A header field's text in any language (RFC 2047): words of at most 75 characters, each whole characters.
    private static func encodedWord(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }), text.utf8.count < 60 { return text }
        var words: [String] = []
        var piece = ""
        for character in text {
            if piece.utf8.count + String(character).utf8.count > 42 {
                words.append(piece)
                piece = ""
            }
            piece.append(character)
        }
        words.append(piece)
        return words.map { "=?utf-8?B?\(Data($0.utf8).base64EncodedString())?=" }.joined(separator: "\r\n ")
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// As in RFC 5322, 3.3.
    private static func date(_ time: Timestamp) -> String {
        let civil = CivilTime(time)
        let days = CivilTime.daysSinceEpoch(year: civil.year, month: civil.month, day: civil.day)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(weekdays[((days + 4) % 7 + 7) % 7]), \(civil.day) \(months[civil.month - 1]) \(civil.year) \(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) +0000"
    }
}
