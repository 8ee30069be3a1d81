import NIOCore
import OrchModel
import OrchSystem

extension RequestHandler {
    // MARK: FindCoordinator

    func findCoordinator(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) throws {
        _ = try frame.kafkaString()
        // There are groups, and no transactions.
        let asksForGroup = version >= 1 ? try frame.kafkaInteger(Int8.self) == 0 : true
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(asksForGroup ? .none : .invalidRequest)
        if version >= 1 { response.writeKafkaNullableString(nil) }
        response.writeInteger(asksForGroup ? Self.nodeID : -1)
        response.writeKafkaString(asksForGroup ? host : "")
        response.writeInteger(Int32(asksForGroup ? port : -1))
    }

    // MARK: JoinGroup

    func joinGroup(
        _ frame: inout ByteBuffer, _ version: Int16, _ client: String, into response: inout ByteBuffer
    ) async throws {
        let group = try frame.kafkaString()
        let session = try frame.kafkaInteger(Int32.self)
        let rebalance = version >= 1 ? try frame.kafkaInteger(Int32.self) : session
        let memberID = try frame.kafkaString()
        let instanceID = version >= 5 ? try frame.kafkaNullableString() : nil
        let protocolType = try frame.kafkaString()
        let protocols = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (name: try bytes.kafkaString(), metadata: try bytes.kafkaBytes())
        }
        let candidate = ConsumerGroup.Candidate(
            memberID: memberID, instanceID: instanceID, clientID: client, protocolType: protocolType,
            protocols: protocols, sessionTimeout: .milliseconds(Int(session)),
            rebalanceTimeout: .milliseconds(Int(max(0, rebalance))))

        let (id, outcome) = await groups.join(group, candidate, mustKnowID: version >= 4)
        var failure = KafkaError.none
        var joined = ConsumerGroup.Joined(generation: -1, protocolName: "", leader: "", memberID: id, members: [])
        switch outcome {
        case .success(let answer): joined = answer
        case .failure(let error): failure = error
        }
        if version >= 2 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(failure)
        response.writeInteger(joined.generation)
        response.writeKafkaString(joined.protocolName)
        response.writeKafkaString(joined.leader)
        response.writeKafkaString(joined.memberID)
        response.writeKafkaArray(joined.members) { response, member in
            response.writeKafkaString(member.memberID)
            if version >= 5 { response.writeKafkaNullableString(member.instanceID) }
            response.writeKafkaBytes(member.metadata)
        }
    }

    // MARK: SyncGroup

    func syncGroup(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let group = try frame.kafkaString()
        let generation = try frame.kafkaInteger(Int32.self)
        let memberID = try frame.kafkaString()
        let instanceID = version >= 3 ? try frame.kafkaNullableString() : nil
        let assignments = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (try bytes.kafkaString(), try bytes.kafkaBytes())
        }
        var failure = KafkaError.none
        var assignment = ByteBuffer()
        do throws(KafkaError) {
            assignment = try await groups.sync(
                group, memberID, instanceID: instanceID, generation: generation,
                assignments: Dictionary(assignments) { $1 })
        } catch {
            failure = error
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(failure)
        response.writeKafkaBytes(assignment)
    }

    // MARK: Heartbeat and LeaveGroup

    func heartbeat(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let group = try frame.kafkaString()
        let generation = try frame.kafkaInteger(Int32.self)
        let memberID = try frame.kafkaString()
        let instanceID = version >= 3 ? try frame.kafkaNullableString() : nil
        var failure = KafkaError.none
        do throws(KafkaError) {
            try await groups.heartbeat(group, memberID, instanceID: instanceID, generation: generation)
        } catch {
            failure = error
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(failure)
    }

    func leaveGroup(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let group = try frame.kafkaString()
        let leaving =
            version >= 3
            ? try frame.kafkaArray { (bytes) throws(MalformedRequest) in
                (memberID: try bytes.kafkaString(), instanceID: try bytes.kafkaNullableString())
            } : [(memberID: try frame.kafkaString(), instanceID: nil)]
        var results: [(memberID: String, instanceID: String?, error: KafkaError)] = []
        for member in leaving {
            var failure = KafkaError.none
            do throws(KafkaError) {
                try await groups.leave(group, member.memberID, instanceID: member.instanceID)
            } catch {
                failure = error
            }
            results.append((member.memberID, member.instanceID, failure))
        }
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(version >= 3 ? .none : results.first?.error ?? .none)
        guard version >= 3 else { return }
        response.writeKafkaArray(results) { response, result in
            response.writeKafkaString(result.memberID)
            response.writeKafkaNullableString(result.instanceID)
            response.writeKafkaError(result.error)
        }
    }

    // MARK: Looking at groups

    func listGroups(_ version: Int16, into response: inout ByteBuffer) async {
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaError(.none)
        response.writeKafkaArray(await groups.groupIDs) { response, group in
            response.writeKafkaString(group.id)
            response.writeKafkaString(group.protocolType)
        }
    }

    func describeGroups(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let ids = try frame.kafkaArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
        if version >= 3 { _ = try frame.kafkaBoolean() }
        var all: [(id: String, group: GroupCoordinator.Description)] = []
        for id in ids.withoutRepetitions { all.append((id, await groups.description(of: id))) }
        if version >= 1 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray(all) { response, entry in
            response.writeKafkaError(.none)
            response.writeKafkaString(entry.id)
            response.writeKafkaString(entry.group.phase)
            response.writeKafkaString(entry.group.protocolType)
            response.writeKafkaString(entry.group.protocolName)
            response.writeKafkaArray(entry.group.members) { response, member in
                response.writeKafkaString(member.candidate.memberID)
                if version >= 4 { response.writeKafkaNullableString(member.candidate.instanceID) }
                response.writeKafkaString(member.candidate.clientID)
                response.writeKafkaString("/\(host)")
                response.writeKafkaBytes(member.metadata(entry.group.protocolName))
                response.writeKafkaBytes(member.assignment)
            }
            // The operations that the asker may do are not told: there is no authorization.
            if version >= 3 { response.writeInteger(Int32.min) }
        }
    }

    func deleteGroups(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let ids = try frame.kafkaArray { (bytes) throws(MalformedRequest) in try bytes.kafkaString() }
        var results: [(id: String, error: KafkaError)] = []
        for id in ids {
            var failure = KafkaError.none
            do throws(KafkaError) { try await groups.delete(id) } catch { failure = error }
            results.append((id, failure))
        }
        response.writeInteger(Int32(0))
        response.writeKafkaArray(results) { response, result in
            response.writeKafkaString(result.id)
            response.writeKafkaError(result.error)
        }
    }

    // MARK: Offsets

    func offsetCommit(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let group = try frame.kafkaString()
        let generation = try frame.kafkaInteger(Int32.self)
        let memberID = try frame.kafkaString()
        let instanceID = version >= 7 ? try frame.kafkaNullableString() : nil
        // How long to keep them is ours to decide, as in all later versions.
        if version <= 4 { _ = try frame.kafkaInteger(Int64.self) }
        let topics = try frame.kafkaArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    let index = try bytes.kafkaInteger(Int32.self)
                    let offset = try bytes.kafkaInteger(Int64.self)
                    if version >= 6 { _ = try bytes.kafkaInteger(Int32.self) }
                    return (index: index, offset: offset, metadata: try bytes.kafkaNullableString() ?? "")
                }
            )
        }
        var wanted: [TopicPartition: GroupOffsets.Committed] = [:]
        for topic in topics {
            // What is not there cannot be read either.
            guard await store.partitionCount(topic.name) != nil else { continue }
            for partition in topic.partitions {
                wanted[TopicPartition(topic: topic.name, partition: partition.index)] = GroupOffsets.Committed(
                    offset: partition.offset, metadata: partition.metadata)
            }
        }
        let results = await groups.commit(group, memberID, instanceID: instanceID, generation: generation, wanted)
        if version >= 3 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray(topics) { response, topic in
            response.writeKafkaString(topic.name)
            response.writeKafkaArray(topic.partitions) { response, partition in
                response.writeInteger(partition.index)
                let place = TopicPartition(topic: topic.name, partition: partition.index)
                response.writeKafkaError(results[place] ?? .unknownTopicOrPartition)
            }
        }
    }

    func offsetFetch(_ frame: inout ByteBuffer, _ version: Int16, into response: inout ByteBuffer) async throws {
        let group = try frame.kafkaString()
        let asked = try frame.kafkaNullableArray { (bytes) throws(MalformedRequest) in
            (
                name: try bytes.kafkaString(),
                partitions: try bytes.kafkaArray { (bytes) throws(MalformedRequest) in
                    try bytes.kafkaInteger(Int32.self)
                }
            )
        }
        let known = await groups.offsets(of: group)
        // A null list asks for all there are.
        let topics =
            asked
            ?? Dictionary(grouping: known.keys, by: \.topic).map {
                (name: $0, partitions: $1.map(\.partition).sorted())
            }
        if version >= 3 { response.writeInteger(Int32(0)) }
        response.writeKafkaArray(topics) { response, topic in
            response.writeKafkaString(topic.name)
            response.writeKafkaArray(topic.partitions) { response, partition in
                let committed = known[TopicPartition(topic: topic.name, partition: partition)]
                response.writeInteger(partition)
                response.writeInteger(committed?.offset ?? -1)
                if version >= 5 { response.writeInteger(Int32(-1)) }
                response.writeKafkaNullableString(committed?.metadata ?? "")
                response.writeKafkaError(.none)
            }
        }
        if version >= 2 { response.writeKafkaError(.none) }
    }
}
