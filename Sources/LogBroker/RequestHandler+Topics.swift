import NIOCore

extension RequestHandler {
    func metadata(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let asked = try frame.kafkaNullableArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
        let mayCreate = version >= 4 ? try frame.kafkaBoolean() : true
        // In version 0 an empty list asks for all topics, later a null one does.
        let wantsAll = version == 0 ? asked?.isEmpty ?? true : asked == nil

        var topics: [(name: String, error: KafkaError, partitions: Int)] = []
        for name in wantsAll ? await store.topicNames : asked ?? [] {
            var failure = KafkaError.none
            var count = await store.partitionCount(name)
            if count == nil {
                failure = .unknownTopicOrPartition
                if mayCreate {
                    do throws(KafkaError) {
                        try await store.create(name, partitions: -1)
                        failure = .none
                    } catch {
                        // Another connection may have been quicker.
                        failure = error == .topicAlreadyExists ? .none : error
                    }
                    count = await store.partitionCount(name)
                }
            }
            topics.append((name, failure, count ?? 0))
        }

        if version >= 3 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray([Self.nodeID]) { response, node in
            response.writeInteger(node)
            response.writeKafkaString(host)
            response.writeInteger(Int32(port))
            if version >= 1 { response.writeKafkaNullableString(nil) }
        }
        if version >= 2 { response.writeKafkaNullableString("orch") }
        if version >= 1 { response.writeInteger(Self.nodeID) }
        response.writeKafkaArray(topics) { response, topic in
            response.writeInteger(topic.error.rawValue)
            response.writeKafkaString(topic.name)
            if version >= 1 { response.writeInteger(Int8(0)) }
            response.writeKafkaArray(0..<topic.partitions) { response, partition in
                response.writeInteger(KafkaError.none.rawValue)
                response.writeInteger(Int32(partition))
                response.writeInteger(Self.nodeID)
                if version >= 7 { response.writeInteger(Int32(0)) }
                response.writeKafkaArray([Self.nodeID]) { $0.writeInteger($1) }
                response.writeKafkaArray([Self.nodeID]) { $0.writeInteger($1) }
                if version >= 5 { response.writeKafkaArray([Int32]()) { $0.writeInteger($1) } }
            }
            if version >= 8 { response.writeInteger(Int32.min) }
        }
        if version >= 8 { response.writeInteger(Int32.min) }
    }

    func createTopics(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let wanted = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            let name = try bytes.kafkaString()
            let partitions = try bytes.kafkaInteger(Int32.self)
            let replication = try bytes.kafkaInteger(Int16.self)
            let assignments = try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                _ = try bytes.kafkaInteger(Int32.self)
                return try bytes.kafkaArray { (bytes) throws(MalformedRequest) in try bytes.kafkaInteger(Int32.self) }
            }
            _ = try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                (try bytes.kafkaString(), try bytes.kafkaNullableString())
            }
            return (
                name: name, partitions: assignments.isEmpty ? Int(partitions) : assignments.count,
                replication: replication
            )
        }
        _ = try frame.kafkaInteger(Int32.self)
        let validateOnly = version >= 1 ? try frame.kafkaBoolean() : false

        var results: [(name: String, error: KafkaError)] = []
        for topic in wanted {
            var failure = KafkaError.none
            do throws(KafkaError) {
                guard topic.replication <= 1 else { throw .invalidReplicationFactor }
                if validateOnly {
                    guard BrokerStore.isLegal(topic.name) else { throw .invalidTopic }
                    guard await store.partitionCount(topic.name) == nil else { throw .topicAlreadyExists }
                } else {
                    try await store.create(topic.name, partitions: topic.partitions)
                }
            } catch {
                failure = error
            }
            results.append((topic.name, failure))
        }
        if version >= 2 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray(results) { response, result in
            response.writeKafkaString(result.name)
            response.writeInteger(result.error.rawValue)
            if version >= 1 { response.writeKafkaNullableString(nil) }
        }
    }
}
