import HTTPTypes
import Hummingbird
import OrchModel
import OrchSystem
import RequestManager

/// A form that a page of ours has sent.
struct FormBody {
    /// A module file may be a mebibyte, and each of its bytes three when it is sent.
    private static let largest = 4 << 20

    private let fields: [String: String]

    /// - Throws: `notAllowed` where the request does not bring along what only a page of ours knows.
    init(_ request: Request, _ context: APIContext) async throws {
        let session = try context.requireSession()
        fields = try await Self.fields(of: request)
        // The header has been looked at already where there is one.
        guard request.headers[.requestToken] != nil || Secrets.areEqual(fields["token"] ?? "", session.requestToken)
        else { throw OrchError(.notAllowed, "this form is too old, or of another site: reload the page and try again") }
    }

    static func fields(of request: Request) async throws -> [String: String] {
        let body = try await request.body.collect(upTo: Self.largest)
        // Browsers send the ends of lines as CR LF.
        return PageAddress.fields(of: String(buffer: body)).mapValues { $0.replacing("\r\n", with: "\n") }
    }

    var all: [String: String] { fields }

    /// - Returns: `nil` for what was left empty.
    subscript(_ name: String) -> String? { fields[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Where to go on.
    var next: String { WebRoutes.local(self["next"]) }
}

extension HTTPField.Name {
    /// What requests of scripts bring along that change something.
    static let requestToken = HTTPField.Name("Request-Token")!
}
