import HTTPTypes
import Hummingbird

/// What browsers must keep to with everything of ours: nothing runs or is loaded that is not part of the program, no other
/// site may frame it, and nothing is told to others.
struct PageHeaders: RouterMiddleware {
    private static let fields: HTTPFields = [
        .xContentTypeOptions: "nosniff", .init("Referrer-Policy")!: "same-origin",
        .init("Cross-Origin-Opener-Policy")!: "same-origin", .init("Cross-Origin-Resource-Policy")!: "same-origin",
    ]

    @concurrent func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        // Scripts come from one folder, so that nothing else that is served here can be run as one.
        let scripts = request.head.authority.map { "http://\($0)/assets/" } ?? "'none'"
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; script-src \(scripts); style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        for field in Self.fields where response.headers[field.name] == nil {
            response.headers[field.name] = field.value
        }
        return response
    }
}
