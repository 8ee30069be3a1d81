import HTTPTypes
import Hummingbird
import OrchModel

/// A failure in the terms of the registry's API (OCI Distribution Specification 1.1, "Error Codes").
struct RegistryError: Error {
    var status: HTTPResponse.Status
    var code: String
    var error: OrchError

    init(_ status: HTTPResponse.Status, _ code: String, _ message: String) {
        self.init(status, code, OrchError(status.code == 404 ? .notFound : .invalidRequest, message))
    }

    init(_ status: HTTPResponse.Status, _ code: String, _ error: OrchError) {
        self.status = status
        self.code = code
        self.error = error
    }

    /// - Parameters:
    ///   - missing: the code for what is not there.
    ///   - invalid: the code for what was sent and is wrong.
    init(_ error: any Error, missing: String, invalid: String) {
        if let error = error as? RegistryError {
            self = error
            return
        }
        let error = OrchError(wrapping: error, "the repository failed: \(error)")
        let code =
            switch error.code {
            case .notFound: missing
            case .invalidRequest: invalid
            case .conflict: "DENIED"
            default: "UNKNOWN"
            }
        self.init(HTTPResponse.Status(code: error.code.httpStatus), code, error)
    }

    /// Its body is also an error of our own API, which has other members.
    var response: Response {
        let body: JSONValue = [
            "errors": [["code": .string(code), "message": .string(error.message)]],
            "error": .string(error.code.wireName), "message": .string(error.message),
        ]
        return (try? JSONAnswer.response(body, status: status)) ?? Response(status: .internalServerError)
    }
}
