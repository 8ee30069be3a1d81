import Glibc

/// A failed system call: which one, on what, and why.
package struct SystemError: Error, CustomStringConvertible {
    package let call: String
    package let subject: String
    package let errno: Int32

    package init(_ call: String, _ subject: String = "", errno: Int32 = Glibc.errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    /// The system's words for the error, as in `No such file or directory`.
    package var reason: String { Self.reason(errno) }

    package static func reason(_ errno: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress, strerror_r(errno, base, 256) == 0 else { return "error \(errno)" }
            return String(cString: base)
        }
    }

    package var description: String { subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)" }
}

/// Calls again while a signal interrupts, and throws for any other negative result.
@discardableResult
package func retrying<Value: SignedInteger>(
    _ call: String, _ subject: @autoclosure () -> String = "", _ body: () -> Value
) throws(SystemError) -> Value {
    while true {
        let value = body()
        if value >= 0 { return value }
        if errno != EINTR { throw SystemError(call, subject()) }
    }
}

/// Throws for a negative result of a `COrchSystem` call, which is the error number negated.
@discardableResult
package func checked(_ call: String, _ value: Int32, _ subject: @autoclosure () -> String = "") throws(SystemError)
    -> Int32
{
    guard value >= 0 else { throw SystemError(call, subject(), errno: -value) }
    return value
}
