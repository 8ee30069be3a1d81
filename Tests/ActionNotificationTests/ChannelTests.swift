import Logging
import OrchModel
import TestSupport
import Testing

@testable import ActionNotification

@Suite struct ChannelTests {
    private static func notification(_ title: String = "shop fails", _ occasion: Occasion = .opened) -> Notification {
        Notification(
            id: "i-1.opened", createdAt: Timestamp(seconds: 1_000_000_000), occasion: occasion,
            incident: Incident(
                id: "i-1", rule: "r", group: "shop", module: "shop", instance: "", severity: .critical,
                openedAt: Timestamp(seconds: 0), lastAt: Timestamp(seconds: 1_000_000_000), count: 3,
                text: "\"quoted\"\nlines"),
            title: title, advice: "look", lastLines: ["one", ".two"])
    }

    @Test func `a mail has what mail programs need`() throws {
        let settings = try NotifierFile.parse(
            "channels: [{name: m, type: email, server: 'x:25', from: orch@example.com, to: [a@b, c@d]}]", path: "f"
        ).channels[0]
        let channel = EmailChannel(settings: settings, logger: Logger(label: "test"))
        let mail = channel.message(Self.notification())
        #expect(mail.contains("To: a@b, c@d\r\n"))
        #expect(mail.contains("Subject: [CRITICAL] shop fails\r\n"))
        #expect(mail.contains("Message-ID: <i-1.opened@example.com>\r\n"))
        #expect(mail.contains("Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n"))
        #expect(mail.split(separator: "\r\n", omittingEmptySubsequences: false).allSatisfy { $0.utf8.count <= 78 })
        let resolved = channel.message(Self.notification("Grüße " + String(repeating: "ü", count: 100), .resolved))
        #expect(resolved.contains("In-Reply-To: <i-1.opened@example.com>\r\n"))
        #expect(resolved.contains("Subject: =?utf-8?B?"))
        #expect(resolved.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test func `replies of servers are understood`() {
        let reply = SMTPReply(code: 250, lines: ["mail.example.com", "SIZE 1000", "AUTH LOGIN PLAIN", "starttls"])
        #expect(reply.has("STARTTLS"))
        #expect(reply.has("AUTH", "PLAIN"))
        #expect(!reply.has("AUTH", "CRAM-MD5"))
        #expect(!reply.has("SMTPUTF8"))
        #expect(SMTPReply(code: 250, lines: ["AUTH=LOGIN"]).has("AUTH", "LOGIN"))
    }

    @Test func `so many pass in a time, whichever notifier sends them`() async throws {
        let folder = TemporaryFolder()
        let rate = ChannelSettings.Rate(most: 2, within: .seconds(10))
        func opening(at second: Int64) async throws -> Timestamp? {
            let store = try NotifierStore(path: "\(folder.path)/notifier.db")
            return try await store.opening(of: "mail", rate, at: Timestamp(seconds: second))
        }
        let store = try NotifierStore(path: "\(folder.path)/notifier.db")
        func pass(_ channel: String, _ second: Int64) async throws {
            try await store.remove([], [], pass: (channel, Timestamp(seconds: second)))
        }
        try await pass("mail", 0)
        try await pass("other", 0)
        #expect(try await opening(at: 1) == nil)
        try await pass("mail", 4)
        #expect(try await opening(at: 5) == Timestamp(seconds: 10))
        #expect(try await opening(at: 10) == nil)
        let unlimited = ChannelSettings.Rate(most: 0, within: .seconds(10))
        #expect(try await store.opening(of: "mail", unlimited, at: Timestamp(seconds: 5)) == nil)
    }

    @Test func `several are told as one, which the worst leads that goes on`() throws {
        var (mild, over) = (Self.notification("disk fills"), Self.notification("shop fails", .resolved))
        mild.incident.severity = .warning
        over.id = "i-2.resolved"
        #expect(Notification(together: [over]) == over)
        let both = Notification(together: [over, mild])
        #expect(both.subject == "[WARNING] disk fills, and 1 more")
        #expect(both.id == mild.id)
        #expect(both.more == [over])
        #expect(both.body.contains("\n----\n\n[RESOLVED] shop fails\n"))
        #expect(try both.json.contains("\"more\":[{"))
        #expect(Notification(together: [mild, Self.notification("db fails"), over]).title == "db fails")
    }
}
