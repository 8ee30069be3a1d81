import NIOCore

/// Answers the requests of one connection. Knows the protocol; the store knows the data.
struct RequestHandler: Sendable {
    let store: BrokerStore
    let groups: GroupCoordinator
    /// What clients are told to connect to.
    let host: String
    let port: Int
    let allocator = ByteBufferAllocator()

    static let nodeID: Int32 = 1

    /// - Returns: the response without its length, or `nil` where the client wants none.
    /// - Throws: ``MalformedRequest`` when the connection cannot go on.
    func respond(to frame: ByteBuffer) async throws -> ByteBuffer? {
        var frame = frame
        let header = try RequestHeader(&frame)
        var response = allocator.buffer(capacity: 256)
        response.writeInteger(header.correlationID)
        guard let api = APIKey(rawValue: header.apiKey) else {
            response.writeInteger(KafkaError.unsupportedVersion.rawValue)
            return response
        }
        guard api.versions.contains(header.apiVersion) else {
            // A client that asks for too new a version learns from the answer in version 0 which it may use (KIP-511).
            if api == .apiVersions {
                writeVersions(into: &response, version: 0, error: .unsupportedVersion)
            } else {
                response.writeInteger(KafkaError.unsupportedVersion.rawValue)
            }
            return response
        }
        let version = header.apiVersion
        let client = header.clientID ?? ""
        switch api {
        case .apiVersions: writeVersions(into: &response, version: version, error: .none)
        case .metadata: try await metadata(&frame, version, into: &response)
        case .createTopics: try await createTopics(&frame, version, into: &response)
        case .initProducerID: try await initProducerID(&frame, version, into: &response)
        case .produce: return try await produce(&frame, version, into: &response) ? response : nil
        case .fetch: try await fetch(&frame, version, into: &response)
        case .listOffsets: try await listOffsets(&frame, version, into: &response)
        case .offsetForLeaderEpoch: try await offsetForLeaderEpoch(&frame, version, into: &response)
        case .deleteTopics: try await deleteTopics(&frame, version, into: &response)
        case .createPartitions: try await createPartitions(&frame, version, into: &response)
        case .deleteRecords: try await deleteRecords(&frame, version, into: &response)
        case .describeConfigs: try await describeConfigs(&frame, version, into: &response)
        case .findCoordinator: try findCoordinator(&frame, version, into: &response)
        case .joinGroup: try await joinGroup(&frame, version, client, into: &response)
        case .syncGroup: try await syncGroup(&frame, version, into: &response)
        case .heartbeat: try await heartbeat(&frame, version, into: &response)
        case .leaveGroup: try await leaveGroup(&frame, version, into: &response)
        case .listGroups: await listGroups(version, into: &response)
        case .describeGroups: try await describeGroups(&frame, version, into: &response)
        case .deleteGroups: try await deleteGroups(&frame, version, into: &response)
        case .offsetCommit: try await offsetCommit(&frame, version, into: &response)
        case .offsetFetch: try await offsetFetch(&frame, version, into: &response)
        }
        return response
    }

    private func writeVersions(into response: inout ByteBuffer, version: Int16, error: KafkaError) {
        response.writeInteger(error.rawValue)
        if version >= 3 {
            response.writeKafkaVarint(APIKey.allCases.count + 1)
            for api in APIKey.allCases {
                write(api, into: &response)
                response.writeKafkaVarint(0)
            }
        } else {
            response.writeKafkaArray(APIKey.allCases) { write($1, into: &$0) }
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        // No tagged fields: librdkafka 2.0.2 misreads them here (mended in 2.2.0).
        if version >= 3 { response.writeKafkaVarint(0) }
    }

    private func write(_ api: APIKey, into response: inout ByteBuffer) {
        response.writeInteger(api.rawValue)
        response.writeInteger(api.versions.lowerBound)
        response.writeInteger(api.versions.upperBound)
    }

    private func initProducerID(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer)
        async throws
    {
        let transactionalID = try frame.kafkaNullableString()
        var id: Int64 = -1
        var failure = KafkaError.none
        do throws(KafkaError) {
            // There are no transactions here.
            if transactionalID != nil { throw .invalidRequest }
            id = try await store.newProducerID()
        } catch {
            failure = error
        }
        response.writeInteger(Int32(0))
        response.writeInteger(failure.rawValue)
        response.writeInteger(id)
        response.writeInteger(Int16(id < 0 ? -1 : 0))
    }
}
