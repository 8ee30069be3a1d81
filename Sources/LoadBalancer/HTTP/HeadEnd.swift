import Glibc

/// Finds where a head ends, over any number of reads, and refuses lines that end otherwise than in CR and LF.
struct HeadEnd {
    /// Bytes from the start that are known to be whole lines.
    private var checked = 0

    /// - Parameter bytes: everything since the head began.
    /// - Returns: the length of the head with the empty line at its end, or `nil` when more is needed.
    mutating func find(in bytes: UnsafeRawBufferPointer) throws(HTTPViolation) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        while checked < bytes.count,
            let found = memchr(base + checked, Int32(HTTPSyntax.lineFeed), bytes.count - checked)
        {
            let end = found - UnsafeMutableRawPointer(mutating: base)
            guard end > checked, bytes[end - 1] == HTTPSyntax.carriageReturn else {
                throw .bad("a line ends without a carriage return")
            }
            let isEmpty = end - 1 == checked
            checked = end + 1
            if checked > HTTPLimits.head { throw Self.tooLarge }
            if isEmpty {
                defer { checked = 0 }
                return checked
            }
        }
        if bytes.count > HTTPLimits.head { throw Self.tooLarge }
        return nil
    }

    private static var tooLarge: HTTPViolation {
        HTTPViolation(status: 431, reason: "the head has more than \(HTTPLimits.head) bytes")
    }
}
