import HTTPTypes
import Hummingbird
import NIOHTTP1
import OrchModel

/// The interfaces of modules that belong to the control plane.
extension Routes {
    private static let largestForwarded = 8 << 20

    func addModules(to v1: RouterGroup<APIContext>) {
        for method in [.get, .put, .post, .delete] as [HTTPRequest.Method] {
            v1.on("modules/:module/api/**", method: method) { request, context in
                let module = try context.name(ModuleName.self, "module")
                let path = context.parameters.getCatchAll().joined(separator: "/")
                let query = request.uri.query.map { "?\($0)" } ?? ""
                let answer = try await agent.forward(
                    to: module, HTTPMethod(rawValue: method.rawValue), path + query,
                    type: request.headers[.contentType],
                    body: try await request.body.collect(upTo: Self.largestForwarded))
                return Response(
                    status: .init(code: answer.status),  // Never what a browser would run or show as a page of ours.
                    headers: [.contentType: "application/json", .xContentTypeOptions: "nosniff"],
                    body: ResponseBody(byteBuffer: answer.content))
            }
        }
    }
}
