import NIOCore

extension RequestHandler {
    func metadata(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let asked = try frame.kafkaNullableArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
        let mayCreate = version >= 4 ? try frame.kafkaBoolean() : true
        // In version 0 an empty list asks for all topics, later a null one does.
        let wantsAll = version == 0 ? asked?.isEmpty ?? true : asked == nil

        var topics: [(name: String, error: KafkaError, partitions: Int)] = []
        for name in wantsAll ? await store.topicNames : (asked ?? []).withoutRepetitions {
            var failure = KafkaError.none
            var count = await store.partitionCount(name)
            if count == nil, mayCreate {
                do throws(KafkaError) { count = try await store.partitionCountMaking(name) } catch { failure = error }
            } else if count == nil {
                failure = .unknownTopicOrPartition
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
            let settings = try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                (try bytes.kafkaString(), try bytes.kafkaNullableString() ?? "")
            }
            return (
                name: name, partitions: assignments.isEmpty ? Int(partitions) : assignments.count,
                replication: replication, settings: Dictionary(settings) { $1 }
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
                    try await store.check(topic.name, partitions: topic.partitions, configuration: topic.settings)
                } else {
                    try await store.create(topic.name, partitions: topic.partitions, configuration: topic.settings)
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

    func deleteTopics(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let names = try frame.kafkaArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
        _ = try frame.kafkaInteger(Int32.self)
        var results: [(name: String, error: KafkaError)] = []
        for name in names {
            var failure = KafkaError.none
            do throws(KafkaError) {
                try await store.delete(name)
                await groups.forget(name)
            } catch {
                failure = error
            }
            results.append((name, failure))
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray(results) { response, result in
            response.writeKafkaString(result.name)
            response.writeKafkaError(result.error)
        }
    }

    func createPartitions(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            let name = try bytes.kafkaString()
            let count = try bytes.kafkaInteger(Int32.self)
            // On which brokers the new ones are to lie: there is one.
            _ = try bytes.kafkaNullableArray { (bytes) throws(MalformedRequest) in
                try bytes.kafkaArray { (bytes) throws(MalformedRequest) in try bytes.kafkaInteger(Int32.self) }
            }
            return (name: name, count: Int(count))
        }
        _ = try frame.kafkaInteger(Int32.self)
        let validateOnly = try frame.kafkaBoolean()
        var results: [(name: String, error: KafkaError)] = []
        for topic in topics {
            var failure = KafkaError.none
            do throws(KafkaError) {
                try await store.grow(topic.name, to: topic.count, validateOnly: validateOnly)
            } catch {
                failure = error
            }
            results.append((topic.name, failure))
        }
        response.writeInteger(Int32(0))
        response.writeKafkaArray(results) { response, result in
            response.writeKafkaString(result.name)
            response.writeKafkaError(result.error)
            response.writeKafkaNullableString(nil)
        }
    }

    func deleteRecords(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    (index: try bytes.kafkaInteger(Int32.self), offset: try bytes.kafkaInteger(Int64.self))
                }
            )
        }
        _ = try frame.kafkaInteger(Int32.self)
        response.writeInteger(Int32(0))
        response.writeInteger(Int32(topics.count))
        for topic in topics {
            response.writeKafkaString(topic.name)
            response.writeInteger(Int32(topic.partitions.count))
            for partition in topic.partitions {
                var failure = KafkaError.none
                var start: Int64 = -1
                do throws(KafkaError) {
                    let place = TopicPartition(topic: topic.name, partition: partition.index)
                    start = try await store.deleteRecords(place, below: partition.offset)
                } catch {
                    failure = error
                }
                response.writeInteger(partition.index)
                response.writeInteger(start)
                response.writeKafkaError(failure)
            }
        }
    }
}
