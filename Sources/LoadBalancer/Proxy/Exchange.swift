import NIOCore

/// One request of a client, from its head to the end of its answer.
struct Exchange {
    /// Tells a later request of the same connection from this one.
    let number: UInt64
    let head: RequestHead
    let service: LoopService?
    /// The name of the request, of our making or the client's.
    let requestID: String?
    let generatedID: UInt64
    let begun: NIODeadline
    /// Follows the request's body.
    var scanner: BodyScanner
    /// Where a place is taken.
    var member: LoopMember?
    /// Where it was tried last, in vain.
    var failed: LoopMember?
    var connection: InstanceConnection?
    /// Connects in a row that failed.
    var tries = 0
    /// How often an instance has got the request.
    var sent = 0
    /// When nobody was there for the first time.
    var heldSince: NIODeadline?
    var holdTimer: Scheduled<Void>?
    var status = 0
    var bytesIn: Int64 = 0
    var bytesOut: Int64 = 0
    /// Whether the client has got the beginning of an answer.
    var isAnswered = false
    var isEventStream = false
    /// An event stream that ends at the next chunk, because its instance leaves.
    var endsSoon = false
    /// Whether the client's connection ends with the answer.
    var closesAfter: Bool

    init(
        number: UInt64, head: RequestHead, service: LoopService?, requestID: String?, generatedID: UInt64,
        begun: NIODeadline
    ) {
        self.number = number
        self.head = head
        self.service = service
        self.requestID = requestID
        self.generatedID = generatedID
        self.begun = begun
        scanner = BodyScanner(head.framing)
        closesAfter = !head.keepsAlive
    }

    var name: String { requestID ?? Hexadecimal.text(generatedID) }
}

enum Hexadecimal {
    /// 16 digits.
    static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func write(_ value: UInt64, into buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 16) { bytes in
            for index in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * index)) & 15
                bytes[index] = digit < 10 ? 48 + digit : 87 + digit
            }
            return 16
        }
    }
}

/// Why an instance did not answer.
enum InstanceFailure {
    case unreachable
    case closed
    case brokeProtocol(String)
    case tooSlow
}
