import NIOCore

/// The requests this broker knows, and the versions of each that it speaks. Every range ends before the first version of the
/// flexible encoding, except for that of ApiVersions, which clients ask in its newest version first.
enum APIKey: Int16, CaseIterable {
    case produce = 0
    case fetch = 1
    case listOffsets = 2
    case metadata = 3
    case offsetCommit = 8
    case offsetFetch = 9
    case findCoordinator = 10
    case joinGroup = 11
    case heartbeat = 12
    case leaveGroup = 13
    case syncGroup = 14
    case describeGroups = 15
    case listGroups = 16
    case apiVersions = 18
    case createTopics = 19
    case deleteTopics = 20
    case deleteRecords = 21
    case initProducerID = 22
    case offsetForLeaderEpoch = 23
    case describeConfigs = 32
    case createPartitions = 37
    case deleteGroups = 42

    var versions: ClosedRange<Int16> {
        switch self {
        // Record batches came with version 3. Versions 0 to 2 are named because librdkafka takes compression for
        // unsupported where they are missing (KAFKA-18659); what they carry is refused unless it is of format 2.
        case .produce: 0...8
        // Record batches came with version 4; 12 is the first flexible one.
        case .fetch: 4...11
        case .listOffsets: 1...5
        case .metadata: 0...8
        // Versions 0 and 1 are of a time when offsets were kept elsewhere.
        case .offsetCommit: 2...7
        case .offsetFetch: 1...5
        case .findCoordinator: 0...2
        case .joinGroup: 0...5
        case .heartbeat: 0...3
        case .leaveGroup: 0...3
        case .syncGroup: 0...3
        case .describeGroups: 0...4
        case .listGroups: 0...2
        case .apiVersions: 0...3
        case .createTopics: 0...4
        case .deleteTopics: 0...3
        case .deleteRecords: 0...1
        case .initProducerID: 0...1
        case .offsetForLeaderEpoch: 0...3
        case .describeConfigs: 0...3
        case .createPartitions: 0...1
        case .deleteGroups: 0...1
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
