package import OrchModel
import OrchSystem
import Synchronization

/// Who may use the web interface: whoever has followed a sign-in address, once, and shows the cookie that was given for it.
///
/// A session is proved by its cookie alone, signed with the agent's secret, so that it outlives an agent that is killed. What is
/// written down are those that people have ended themselves.
package final class Sessions: Sendable {
    package struct Session: Sendable {
        /// When it ends by itself, and what tells it from others: `SECONDS-RANDOM`.
        fileprivate var name: String
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
    private let endedFile: String
    private let ended: Mutex<Set<String>>
    /// Cookies are shared by all ports of a host, so that each agent needs a name of its own.
    package let cookieName: String

    /// - Parameters:
    ///   - secret: the agent's token.
    ///   - endedFile: keeps the names of the sessions that were ended, a line each.
    package init(secret: String, endedFile: String) {
        self.secret = secret
        self.endedFile = endedFile
        ended = Mutex(Set(((try? Files.readText(endedFile)) ?? "").split(separator: "\n").map(String.init)))
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
        session("\((now + Self.lifetime).seconds)-\(Self.random())")
    }

    /// Lets nobody in with this session any more, also after the agent has started anew.
    ///
    /// - Throws: `failed` when that cannot be written down; the session is over until the agent starts anew.
    package func end(_ session: Session, at now: Timestamp) throws(OrchError) {
        let names = ended.withLock { ended in
            ended = ended.filter { Self.end(of: $0).map { $0 >= now.seconds } == true }
            ended.insert(session.name)
            return ended.sorted()
        }
        do throws(SystemError) {
            try Files.replace(endedFile, with: names.map { $0 + "\n" }.joined())
        } catch {
            throw OrchError(
                .failed,
                "that you signed out cannot be written down (\(error.reason)): free some disk space and sign out again",
                cause: error)
        }
    }

    package func isOver(_ session: Session) -> Bool { ended.withLock { $0.contains(session.name) } }

    /// - Parameter cookies: the field `Cookie` of a request (RFC 6265, 5.4).
    /// - Returns: `nil` where it holds no session of ours that still counts.
    package func session(in cookies: String?, at now: Timestamp) -> Session? {
        for pair in (cookies ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].filter({ $0 != " " }) == cookieName else { continue }
            let fields = parts[1].split(separator: "-")
            guard fields.count == 3, let until = Self.end(of: parts[1]), until >= now.seconds else { continue }
            let session = session("\(fields[0])-\(fields[1])")
            if Secrets.areEqual(session.cookie, parts[1]), !isOver(session) { return session }
        }
        return nil
    }

    /// The field `Set-Cookie` that hands a session out; `nil` ends it.
    package func cookieField(for session: Session?) -> String {
        let age = session == nil ? 0 : Int64(Self.lifetime.seconds)
        return "\(cookieName)=\(session?.cookie ?? ""); Path=/; Max-Age=\(age); HttpOnly; SameSite=Strict"
    }

    private func session(_ name: String) -> Session {
        let cookie = "\(name)-\(MessageSignature.hex(of: "session \(name)", key: secret))"
        return Session(
            name: name, cookie: cookie, requestToken: MessageSignature.hex(of: "request \(cookie)", key: secret))
    }

    /// In seconds of the epoch.
    private static func end(of name: some StringProtocol) -> Int64? {
        name.split(separator: "-").first.flatMap { Int64($0) }
    }

    private static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
