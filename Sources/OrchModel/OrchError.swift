/// The one error that crosses modules: a code for programs, a message for people, a cause for our own log.
package struct OrchError: Error, Sendable {
    /// What kind of failure it is, with its name on the wire and the exit status of `orch`.
    package struct Code: Hashable, Sendable {
        package let wireName: String
        package let exitStatus: Int32
        package let httpStatus: Int

        private init(_ wireName: String, exit: Int32, http: Int) {
            self.wireName = wireName
            self.exitStatus = exit
            self.httpStatus = http
        }

        /// Something broke that is not the caller's doing.
        package static let failed = Code("failed", exit: 1, http: 500)
        /// The request itself is wrong; sending it again unchanged fails again.
        package static let invalidRequest = Code("invalid_request", exit: 2, http: 400)
        package static let notFound = Code("not_found", exit: 3, http: 404)
        /// The agent, or what it depends on, cannot be reached or is draining. Safe to retry.
        package static let unavailable = Code("unavailable", exit: 4, http: 503)
        package static let notAllowed = Code("not_allowed", exit: 5, http: 403)
        /// Somebody changed it first, or is changing it now.
        package static let conflict = Code("conflict", exit: 6, http: 409)
        package static let timedOut = Code("timed_out", exit: 7, http: 504)
        /// A deployment failed and the version before it serves.
        package static let rolledBack = Code("rolled_back", exit: 8, http: 409)
        /// A deployment failed and the service is down or degraded.
        package static let serviceDown = Code("service_down", exit: 9, http: 500)

        package static let all: [Code] = [
            failed, invalidRequest, notFound, unavailable, notAllowed, conflict, timedOut, rolledBack, serviceDown,
        ]

        /// The code with this wire name; `failed` for one that a newer agent may have added.
        package init(wireName: String) {
            self = Self.all.first { $0.wireName == wireName } ?? .failed
        }
    }

    package var code: Code
    /// One line, in words of the person who asked, that says how to mend it.
    package var message: String
    package var cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension OrchError: CustomStringConvertible {
    package var description: String {
        guard let cause else { return message }
        return "\(message) (\(cause))"
    }
}

extension OrchError {
    /// `error` itself when it already is one of ours, otherwise a `failed` that carries it as its cause.
    package init(wrapping error: any Error, _ message: @autoclosure () -> String) {
        self = (error as? OrchError) ?? OrchError(.failed, message(), cause: error)
    }
}

/// The body of every HTTP answer that is not a success.
package struct ErrorBody: Codable, Sendable {
    package var error: String
    package var message: String
    /// Lines that belong to the error, such as the last log lines of an instance that failed.
    package var details: [String]?

    package init(_ error: OrchError, details: [String]? = nil) {
        self.error = error.code.wireName
        self.message = error.message
        self.details = details
    }
}
