package import OrchModel
import OrchSystem
import Synchronization

/// Who may use the web interface: whoever has followed a sign-in address, once, and shows the cookie that was given for it.
///
/// A session is proved by its cookie alone, signed with the agent's secret, so that it outlives an agent that is killed.
package final class Sessions: Sendable {
    package struct Session: Sendable {
        /// The value of the cookie.
        package var cookie: String
        /// What every request of a page that changes something must bring along: pages of other sites cannot know it.
        package var requestToken: String
    }

    /// How long a sign-in address can be used.
    package static let codeLifetime = TimeSpan.seconds(600)
    package static let lifetime = TimeSpan.seconds(30 * 86_400)
    private static let mostCodes = 32

    private let secret: String
    private let codes = Mutex<[(code: String, until: Timestamp)]>([])
    /// Cookies are shared by all ports of a host, so that each agent needs a name of its own.
    package let cookieName: String

    /// - Parameter secret: the agent's token.
    package init(secret: String) {
        self.secret = secret
        cookieName = "orch_\(MessageSignature.hex(of: "cookie", key: secret).prefix(12))"
    }

    /// A code that can be exchanged for a session once. Of many that nobody used the oldest are forgotten.
    package func issueCode(at now: Timestamp) -> String {
        let code = Self.random()
        codes.withLock { codes in
            codes.removeAll { $0.until < now }
            codes = codes.suffix(Self.mostCodes - 1) + [(code, now + Self.codeLifetime)]
        }
        return code
    }

    /// - Returns: `nil` for a code that is unknown, used or too old.
    package func redeem(_ code: String, at now: Timestamp) -> Session? {
        let isKnown = codes.withLock { codes in
            guard let index = codes.firstIndex(where: { Secrets.areEqual($0.code, code) }) else { return false }
            return codes.remove(at: index).until >= now
        }
        return isKnown ? begin(at: now) : nil
    }

    /// A session for whoever has shown the agent's token.
    package func begin(at now: Timestamp) -> Session {
        let content = "\((now + Self.lifetime).seconds)-\(Self.random())"
        return session(content)
    }

    /// - Parameter cookies: the field `Cookie` of a request (RFC 6265, 5.4).
    /// - Returns: `nil` where it holds no session of ours that still counts.
    package func session(in cookies: String?, at now: Timestamp) -> Session? {
        for pair in (cookies ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].filter({ $0 != " " }) == cookieName else { continue }
            let fields = parts[1].split(separator: "-")
            guard fields.count == 3, let until = Int64(fields[0]), until >= now.seconds else { continue }
            let session = session("\(fields[0])-\(fields[1])")
            if Secrets.areEqual(session.cookie, parts[1]) { return session }
        }
        return nil
    }

    /// The field `Set-Cookie` that hands a session out; `nil` ends it.
    package func cookieField(for session: Session?) -> String {
        let age = session == nil ? 0 : Int64(Self.lifetime.seconds)
        return "\(cookieName)=\(session?.cookie ?? ""); Path=/; Max-Age=\(age); HttpOnly; SameSite=Strict"
    }

    private func session(_ content: String) -> Session {
        let cookie = "\(content)-\(MessageSignature.hex(of: "session \(content)", key: secret))"
        return Session(cookie: cookie, requestToken: MessageSignature.hex(of: "request \(cookie)", key: secret))
    }

    private static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
