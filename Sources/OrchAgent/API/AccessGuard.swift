import FoundationEssentials
import HTTPTypes
import Hummingbird
import OrchModel
import OrchSystem
import RequestManager

/// Lets nobody in at the TCP door who does not show the token, or has signed in with a browser; nor any page of another site
/// through one.
struct AccessGuard: RouterMiddleware {
    /// The host of the pages, which browsers take for loopback (RFC 6761, 6.3). It is theirs alone: a browser hands cookies to
    /// every port of a host, and the services of this machine are at other names of it.
    static let pageHost = "orch.localhost"
    private static let ownHosts: Set<String> = [pageHost, "127.0.0.1", "localhost", "[::1]"]

    let token: String
    let sessions: Sessions

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        // A name of somebody else's that resolves to loopback (DNS rebinding) arrives with that name.
        guard let host = request.head.authority, case let name = Self.name(of: host), Self.ownHosts.contains(name)
        else {
            throw OrchError(.notAllowed, "this address is not the agent's: use http://127.0.0.1 with its port")
        }
        if let origin = request.headers[.origin], origin != "http://\(host)" {
            throw OrchError(.notAllowed, "pages of another site may not use the agent")
        }
        let path = request.uri.path
        // The router takes them for one, so that a path could be spelt to look like another.
        guard !path.contains("//") else { throw OrchError(.notAllowed, "a path must have no empty part") }
        let isRegistry = path == "/v2" || path.hasPrefix("/v2/")
        if let given = request.headers[.authorization] {
            guard isToken(given, orPassword: isRegistry) else { return try Self.refuse(isRegistry) }
            return try await next(request, context)
        }
        let isPage =
            request.method == .get && request.headers[.accept]?.contains("text/html") == true && !path.hasPrefix("/v1/")
        guard name == Self.pageHost else {
            guard isPage else { return try Self.refuse(isRegistry) }
            return WebRoutes.redirect(to: "http://\(Self.pageHost)\(host.dropFirst(name.count))\(request.uri.string)")
        }
        var context = context
        context.session = sessions.session(in: request.headers[.cookie], at: .now())
        if let session = context.session {
            try Self.check(request, of: session)
            return try await next(request, context)
        }
        if path == WebRoutes.signInPath || path.hasPrefix("/assets/") { return try await next(request, context) }
        if isPage { return WebRoutes.redirect(to: "\(WebRoutes.signInPath)?next=\(request.uri.string.percentEncoded)") }
        return try Self.refuse(isRegistry)
    }

    private static func refuse(_ isRegistry: Bool) throws(OrchError) -> Response {
        // Clients of registries ask without a token first, to learn which kind is wanted.
        if isRegistry { return challenge }
        throw OrchError(
            .notAllowed, "the token is missing or wrong: put the content of the agent's file 'token' into ORCH_TOKEN")
    }

    /// What a browser sends along by itself proves nothing: whatever changes something must bring what only our pages know, in
    /// a header, which the routes of the API insist on (``RequestTokenNeeded``), or in a field of a form of ours, which
    /// ``FormBody`` does.
    private static func check(_ request: Request, of session: Sessions.Session) throws(OrchError) {
        guard let given = request.headers[.requestToken] else { return }
        guard Secrets.areEqual(given, session.requestToken) else {
            throw OrchError(.notAllowed, "this page is too old: reload it and try again")
        }
    }

    private static var challenge: Response {
        let error = OrchError(
            .notAllowed,
            "sign in first: 'docker login ADDRESS' with any user and the content of the agent's file 'token'")
        var response = RegistryError(.unauthorized, "UNAUTHORIZED", error).response
        response.headers[.wwwAuthenticate] = "Basic realm=\"orch\""
        return response
    }

    /// - Parameter isPassword: whether it may be the password of a basic authentication (RFC 7617), with any user.
    private func isToken(_ field: String, orPassword isPassword: Bool) -> Bool {
        if field.hasPrefix("Bearer ") { return Secrets.areEqual(field.dropFirst(7), token) }
        guard isPassword, field.hasPrefix("Basic "),
            let bytes = Data(base64Encoded: String(field.dropFirst(6))),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return false }
        return Secrets.areEqual(String(decoding: bytes[(colon + 1)...], as: UTF8.self), token)
    }

    private static func name(of authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else { return authority }
        return String(authority[..<colon])
    }
}

/// Refuses what a browser that has signed in asks to be changed without showing that a page of ours has asked it to.
struct RequestTokenNeeded: RouterMiddleware {
    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let changesNothing = request.method == .get || request.method == .head
        guard context.session == nil || changesNothing || request.headers[.requestToken] != nil else {
            throw OrchError(.notAllowed, "a browser that changes something must send the header Request-Token")
        }
        return try await next(request, context)
    }
}
