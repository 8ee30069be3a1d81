import HTTPTypes
import Hummingbird
import OrchModel
import OrchSystem
import RequestManager

/// How browsers get in: by the address that `orch ui` prints, which works once, or by the agent's token.
extension WebRoutes {
    static let signInPath = "/sign-in"

    func addSignIn(to group: RouterGroup<APIContext>) {
        group.get("sign-in") { request, context in
            let parameters = request.uri.queryParameters
            let next = Self.local(parameters["next"].map(String.init))
            guard let code = parameters["code"] else {
                return Self.html(pages.signIn(next: next, refusal: nil), status: .unauthorized)
            }
            guard let session = agent.sessions.redeem(String(code), at: .now()) else {
                // Whoever opens the address again is in already.
                if context.session != nil { return Self.redirect(to: next) }
                let refusal = "That address has been used or is too old: run 'orch ui' again."
                return Self.html(pages.signIn(next: next, refusal: refusal), status: .unauthorized)
            }
            return welcome(session, next)
        }
        group.post("sign-in") { request, context in
            let fields = try await FormBody.fields(of: request)
            let next = Self.local(fields["next"])
            guard Secrets.areEqual(fields["agent_token"] ?? "", agent.token) else {
                return Self.html(
                    pages.signIn(next: next, refusal: "That is not the agent's token."), status: .unauthorized)
            }
            return welcome(agent.sessions.begin(at: .now()), next)
        }
        group.post("sign-out") { request, context in
            _ = try await FormBody(request, context)
            try agent.sessions.end(context.requireSession(), at: .now())
            // Its other pages end.
            agent.events.wake()
            var response = Self.redirect(to: Self.signInPath)
            response.headers[.setCookie] = agent.sessions.cookieField(for: nil)
            return response
        }
    }

    private func welcome(_ session: Sessions.Session, _ next: String) -> Response {
        var response = Self.redirect(to: next)
        response.headers[.setCookie] = agent.sessions.cookieField(for: session)
        return response
    }

    static func redirect(to place: String) -> Response {
        Response(status: .seeOther, headers: [.location: place, .cacheControl: "no-store"])
    }

    /// A place of ours; the overview for anything else.
    static func local(_ place: String?) -> String {
        guard let place, place.hasPrefix("/"), !place.hasPrefix("//"), !place.hasPrefix("/\\"),
            place.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { return "/" }
        return place
    }
}
