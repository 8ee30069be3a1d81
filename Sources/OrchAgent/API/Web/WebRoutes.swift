import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import RequestManager

/// The web interface at the TCP door: pages, what keeps them up to date, and what belongs to them. Who asks has been found
/// out by ``AccessGuard``.
struct WebRoutes: Sendable {
    let agent: Agent
    let pages: WebPages

    /// Pages of the outline have names that end in `.html`, too.
    private static let pagePaths = [
        "/", "/index.html", "/Deployment_Interface", "/Deployment_Interface.html", "/Deployment_Interface/:id",
        "/Service_Instances", "/Service_Instances.html", "/Service_Instances/:id", "/Services/:name", "/Logs",
        "/Repository", "/Schedules_and_Notifications", "/Documents", "/Requests",
    ]

    func add(to router: Router<APIContext>) {
        let group = router.group()
        for path in Self.pagePaths {
            group.get(RouterPath(path)) { request, context in
                Self.html(try await pages.page(at: Self.address(request), for: context.requireSession()))
            }
        }
        group.get("parts") { request, context in
            try JSONAnswer.response(try await pages.parts(at: shown(request), for: context.requireSession()))
        }
        group.get("live") { request, context in
            let (address, session) = (try shown(request), try context.requireSession())
            return EventStream.response { [pages] emit in
                do {
                    try await pages.follow(address, for: session) { parts in
                        guard !agent.sessions.isOver(session) else {
                            throw OrchError(.notAllowed, "this browser has signed out")
                        }
                        for part in parts { try await emit(.part(part)) }
                    }
                } catch let error as OrchError where error.code == .notFound {
                    try await emit(.gone(ErrorBody(error)))
                }
            }
        }
        group.get("Documents/file") { request, _ in try await document(request) }
        group.get("assets/:edition/:name") { request, context in
            try asset(context.parameters.require("name"), of: context.parameters.require("edition"), request)
        }
        addSignIn(to: group)
        addChanges(to: group)
    }

    static func html(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    static func address(_ request: Request) -> PageAddress { PageAddress(request.uri.string) }

    /// The page that the parameter `page` names.
    private func shown(_ request: Request) throws(OrchError) -> PageAddress {
        guard let text = request.uri.queryParameters["page"], text.hasPrefix("/") else {
            throw OrchError(.invalidRequest, "'page' must be the address of a page")
        }
        return PageAddress(String(text))
    }

    /// A page of an agent before this one gets the files of this one, and asks again the next time.
    private func asset(_ name: String, of edition: String, _ request: Request) throws -> Response {
        guard let asset = WebAsset.named(name) else { throw OrchError(.notFound, "there is no \(name.quotedOneLine)") }
        let lifetime = edition == WebAsset.edition ? "max-age=31536000, immutable" : "no-cache"
        return try FileAnswer.whole(
            asset.content, tag: asset.tag, type: asset.type, fields: [.cacheControl: "private, \(lifetime)"],
            to: request)
    }

    private func document(_ request: Request) async throws -> Response {
        let name = request.uri.queryParameters["name"].map(String.init) ?? ""
        guard let document = await agent.documents().first(where: { $0.name == name }) else {
            throw OrchError(.notFound, "there is no document \(name.quotedOneLine)")
        }
        let file = name.split(separator: "/").last ?? ""
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/json", .contentDisposition: "attachment; filename=\"\(file)\"",
                .cacheControl: "no-store",
            ], body: ResponseBody(byteBuffer: ByteBuffer(string: document.text)))
    }
}

extension APIContext {
    /// - Throws: `notAllowed` for whoever came in another way than by a browser that has signed in.
    func requireSession() throws(OrchError) -> Sessions.Session {
        guard let session else {
            throw OrchError(.notAllowed, "pages are for browsers that have signed in: 'orch ui' tells how")
        }
        return session
    }
}

/// Tells of errors as a page where a page was asked for.
struct WebErrors: RouterMiddleware {
    let pages: WebPages

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let answer = ErrorResponder.failure(error)
            let wantsPage = request.headers[.accept]?.contains("text/html") == true
            guard wantsPage, !request.uri.path.hasPrefix("/v1/") else { throw error }
            return WebRoutes.html(
                pages.failure(answer.body.message, for: context.session), status: .init(code: answer.status))
        }
    }
}
