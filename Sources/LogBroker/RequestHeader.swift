import NIOCore

/// The requests this broker knows, and the versions of each that it speaks. All are of the older encoding, except that
/// ApiVersions has a flexible version too, which clients ask first.
enum APIKey: Int16, CaseIterable {
    case produce = 0
    case fetch = 1
    case listOffsets = 2
    case metadata = 3
    case apiVersions = 18
    case createTopics = 19
    case initProducerID = 22

    var versions: ClosedRange<Int16> {
        switch self {
        // Record batches came with version 3. Versions 0 to 2 are named because librdkafka takes compression for
        // unsupported where they are missing (KAFKA-18659); what they carry is refused unless it is of format 2.
        case .produce: 0...8
        // Record batches came with version 4; 12 is the first flexible one.
        case .fetch: 4...11
        case .listOffsets: 1...5
        case .metadata: 0...8
        case .apiVersions: 0...3
        case .createTopics: 0...4
        case .initProducerID: 0...1
        }
    }
}

/// The head that every request begins with.
struct RequestHeader {
    var apiKey: Int16
    var apiVersion: Int16
    var correlationID: Int32
    var clientID: String?

    init(_ frame: inout ByteBuffer) throws(MalformedRequest) {
        apiKey = try frame.kafkaInteger()
        apiVersion = try frame.kafkaInteger()
        correlationID = try frame.kafkaInteger()
        clientID = try frame.kafkaNullableString()
    }
}
