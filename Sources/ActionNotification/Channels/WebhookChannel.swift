import AsyncHTTPClient
import FoundationEssentials
import ModuleKit
import NIOCore
import NIOHTTP1
import OrchModel
import OrchSystem

/// Posts notifications to an address, in the form that it wants.
struct WebhookChannel: NotificationChannel {
    private static let largestAnswer = 65_536

    let settings: ChannelSettings
    private let template: TextTemplate?

    init(_ settings: ChannelSettings) throws(OrchError) {
        self.settings = settings
        template = settings.template.isEmpty ? nil : try TextTemplate(settings.template)
    }

    func send(_ notification: Notification) async throws(OrchError) {
        let url = try address()
        let host = Self.host(of: url)
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "user-agent", value: "orch/\(OrchVersion.current)")
        // Whoever gets it twice can tell.
        request.headers.add(name: "idempotency-key", value: notification.id)
        let secret = settings.secretFile.isEmpty ? nil : try Channels.secret(settings.secretFile)
        let body = try fill(&request, notification, secret)
        request.body = .bytes(ByteBuffer(string: body))
        let status: HTTPResponseStatus
        do {
            let answer = try await WebClient.shared.execute(
                request, timeout: .nanoseconds(settings.timeout.nanoseconds))
            _ = try? await answer.body.collect(upTo: Self.largestAnswer)
            status = answer.status
        } catch {
            throw OrchError(.unavailable, "\(host) does not answer", cause: error)
        }
        switch status.code {
        case 200..<300: return
        // What the other side does not want it will not want later; all else may pass.
        case 400, 404, 405, 410, 413, 415, 422:
            throw OrchError(.invalidRequest, "\(host) refuses it: \(status.code) \(status.reasonPhrase)")
        default: throw OrchError(.unavailable, "\(host) answers \(status.code) \(status.reasonPhrase)")
        }
    }

    private func address() throws(OrchError) -> String {
        if settings.urlFile.isEmpty { return settings.url }
        let url = try Channels.secret(settings.urlFile)
        guard Self.isAddress(url) else {
            throw OrchError(
                .failed, "the file \(settings.urlFile) holds no address that begins with http:// or https://")
        }
        return url
    }

    static func isAddress(_ text: String) -> Bool { text.hasPrefix("http://") || text.hasPrefix("https://") }

    /// Addresses hold secrets often, so only the host is told.
    private static func host(of url: String) -> String {
        let place = url.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first ?? "it"
        return String((place.split(separator: "@").last ?? place).prefix { $0 != "?" && $0 != "#" })
    }

    private func fill(_ request: inout HTTPClientRequest, _ notification: Notification, _ secret: String?)
        throws(OrchError)
        -> String
    {
        switch settings.type {
        case .slack, .mattermost:
            request.headers.add(name: "content-type", value: "application/json")
            return try Self.json(["text": .string("*\(notification.subject)*\n```\n\(notification.body)```")])
        case .ntfy:
            // ntfy's own way: the text as body, the rest as header fields, which hold no line ends.
            request.headers.add(name: "title", value: Self.oneLine(notification.subject))
            request.headers.add(name: "priority", value: Self.priority(notification))
            request.headers.add(
                name: "tags", value: notification.occasion == .resolved ? "white_check_mark" : "rotating_light")
            if let secret { request.headers.add(name: "authorization", value: "Bearer \(secret)") }
            return notification.body
        case .gotify:
            request.headers.add(name: "content-type", value: "application/json")
            request.headers.add(name: "x-gotify-key", value: secret ?? "")
            return try Self.json([
                "title": .string(notification.subject), "message": .string(notification.body),
                "priority": .integer(Int64(Self.priority(notification)) ?? 3),
            ])
        default:
            request.headers.add(name: "content-type", value: "application/json")
            let body: String
            if let template {
                body = template.render(notification.values(escaped: Self.escaped))
            } else {
                body = try notification.json
            }
            if let secret {
                let signature = MessageSignature.hex(of: body, key: secret)
                request.headers.add(name: "x-orch-signature", value: "sha256=\(signature)")
            }
            return body
        }
    }

    private static func priority(_ notification: Notification) -> String {
        if notification.occasion == .resolved { return "2" }
        switch notification.incident.severity {
        case .info: return "2"
        case .warning: return "3"
        case .critical: return "5"
        }
    }

    private static func oneLine(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value >= 0x20 && $0.value < 0x7f ? Character($0) : " " })
    }

    private static func json(_ value: JSONValue) throws(OrchError) -> String {
        do {
            return String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        } catch {
            throw OrchError(.invalidRequest, "a notification cannot be written", cause: error)
        }
    }

    /// As it stands between the quotes of a JSON text.
    private static func escaped(_ text: String) -> String {
        guard let quoted = try? JSONEncoder().encode(text) else { return "" }
        return String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self)
    }
}
