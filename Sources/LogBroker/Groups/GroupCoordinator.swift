import NIOCore
import OrchModel
import OrchSystem

/// Keeps the consumer groups and their offsets, and lets members wait for each other.
///
/// Runs on a thread of its own, because the journal of offsets blocks.
actor GroupCoordinator {
    /// What can be told about a group.
    struct Description {
        var phase = "Dead"
        var protocolType = ""
        var protocolName = ""
        var members: [ConsumerGroup.Member] = []
    }

    private let executor = ThreadExecutor(name: "broker-groups")
    private let settings: BrokerSettings
    private let disk: any Disk
    /// Sent after something was committed that has to be synced.
    private let needsSync: Signal
    private var groups: [String: ConsumerGroup] = [:]
    private var offsets: GroupOffsets?
    private let changes = ChangeWaiters<String>()
    private var lastMember: UInt64 = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Session timeouts may be so long. Kafka's own lower bound, 6 s, is a default that its users lower in tests.
    private static let sessionTimeouts = Duration.milliseconds(500)...Duration.milliseconds(1_800_000)
    /// So many characters of a client's name go into a member's id.
    private static let longestNamePart = 100
    /// Kafka's `offset.metadata.max.bytes`.
    private static let longestMetadata = 4096

    init(settings: BrokerSettings, disk: any Disk = LocalDisk(), needsSync: Signal = Signal()) {
        self.settings = settings
        self.disk = disk
        self.needsSync = needsSync
    }

    /// Reads the committed offsets.
    func open() throws {
        offsets = try GroupOffsets(
            disk, path: "\(settings.folder)/~consumer-offsets", now: .now())
    }

    func sync() throws { try offsets?.sync() }

    /// Forgets groups that nobody came back to, and offsets that have been without a group's members for too long.
    func removeExpired() {
        for id in groups.keys { groups[id]?.expire(now: .now) }
        groups = groups.filter { !$0.value.isDeserted }
        offsets?.removeExpired(now: .now(), live: Set(groups.filter { !$0.value.members.isEmpty }.keys))
    }

    /// Forgets how far a topic that is gone was read: a new one of its name begins anew.
    func forget(_ topic: String) { offsets?.forget(topic) }

    // MARK: Membership

    /// Returns once all members have joined, or are given up.
    ///
    /// - Parameter mustKnowID: a member without an id is sent back with one first, as newer clients expect it (KIP-394).
    /// - Returns: the member's id with the outcome.
    func join(_ groupID: String, _ candidate: ConsumerGroup.Candidate, mustKnowID: Bool) async -> (
        memberID: String, outcome: Result<ConsumerGroup.Joined, KafkaError>
    ) {
        var candidate = candidate
        do throws(KafkaError) {
            guard !groupID.isEmpty else { throw .invalidGroupID }
            guard Self.sessionTimeouts.contains(candidate.sessionTimeout) else { throw .invalidSessionTimeout }
            if candidate.memberID.isEmpty {
                candidate.memberID = newMemberID(candidate)
                var group = groups[groupID] ?? ConsumerGroup()
                try group.promise(candidate, id: candidate.memberID, now: .now)
                groups[groupID] = group
                if mustKnowID, candidate.instanceID == nil { throw .memberIDRequired }
            }
            return (candidate.memberID, .success(try await join(groupID, candidate)))
        } catch {
            return (candidate.memberID, .failure(error))
        }
    }

    private func join(_ groupID: String, _ candidate: ConsumerGroup.Candidate) async throws(KafkaError)
        -> ConsumerGroup.Joined
    {
        let (id, joining) = (candidate.memberID, candidate)
        try change(groupID) { (group) throws(KafkaError) in try group.join(joining, now: .now) }
        return try await wait(in: groupID) { (group) throws(KafkaError) in try group.joined(id, now: .now) }
    }

    func sync(
        _ groupID: String, _ memberID: String, instanceID: String?, generation: Int32,
        assignments: [String: ByteBuffer]
    ) async throws(KafkaError) -> ByteBuffer {
        try change(groupID) { (group) throws(KafkaError) in
            try group.sync(
                memberID, instanceID: instanceID, generation: generation, assignments: assignments, now: .now)
        }
        return try await wait(in: groupID) { (group) throws(KafkaError) in
            try group.assignment(of: memberID, generation: generation, now: .now)
        }
    }

    func heartbeat(_ groupID: String, _ memberID: String, instanceID: String?, generation: Int32) throws(KafkaError) {
        try change(groupID) { (group) throws(KafkaError) in
            try group.heartbeat(memberID, instanceID: instanceID, generation: generation, now: .now)
        }
    }

    func leave(_ groupID: String, _ memberID: String, instanceID: String?) throws(KafkaError) {
        try change(groupID) { (group) throws(KafkaError) in
            try group.leave(memberID, instanceID: instanceID, now: .now)
        }
    }

    private func change<Value>(
        _ groupID: String, _ body: (inout ConsumerGroup) throws(KafkaError) -> Value
    ) throws(KafkaError) -> Value {
        guard !groupID.isEmpty else { throw .invalidGroupID }
        guard var group = groups[groupID] else { throw .unknownMember }
        let phase = group.phase
        let generation = group.generation
        defer {
            groups[groupID] = group.isDeserted ? nil : group
            if group.phase != phase || group.generation != generation { changes.resume(groupID) }
        }
        return try body(&group)
    }

    /// Asks again after every change of the group, and when one of its times has come.
    private func wait<Answer>(
        in groupID: String, _ answer: (inout ConsumerGroup) throws(KafkaError) -> Answer?
    ) async throws(KafkaError) -> Answer {
        while true {
            if let found = try change(groupID, answer) { return found }
            guard !Task.isCancelled else { throw .rebalanceInProgress }
            guard let group = groups[groupID] else { throw .unknownMember }
            let seen = (group.phase, group.generation)
            let deadline = group.nextDeadline ?? .now + Self.sessionTimeouts.upperBound
            await withDeadline(deadline) { await self.waitForChange(of: groupID, from: seen) }
        }
    }

    private func waitForChange(of groupID: String, from seen: (phase: ConsumerGroup.Phase, generation: Int32)) async {
        guard let group = groups[groupID], (group.phase, group.generation) == seen else { return }
        // No change can come between the question and the entry: both run on this actor without a pause.
        await changes.wait(for: [groupID])
    }

    private func newMemberID(_ candidate: ConsumerGroup.Candidate) -> String {
        lastMember += 1
        // Unlike any of an earlier start of the broker, and short enough to be sent whatever the client calls itself.
        let name = (candidate.instanceID ?? candidate.clientID).prefix(Self.longestNamePart)
        return "\(name)-\(UInt64.random(in: 0 ... .max))-\(lastMember)"
    }

    // MARK: Offsets

    /// - Returns: what became of each.
    func commit(
        _ groupID: String, _ memberID: String, instanceID: String?, generation: Int32,
        _ wanted: [TopicPartition: GroupOffsets.Committed]
    ) -> [TopicPartition: KafkaError] {
        do throws(KafkaError) {
            try checkCommit(groupID, memberID, instanceID: instanceID, generation: generation)
            let fitting = wanted.filter { $0.value.metadata.utf8.count <= Self.longestMetadata }
            try offsets?.commit(groupID, fitting, now: .now())
            if settings.sync == .always {
                do throws(SystemError) { try offsets?.sync() } catch { throw .kafkaStorageError }
            } else {
                needsSync.send()
            }
            return wanted.mapValues {
                $0.metadata.utf8.count <= Self.longestMetadata ? KafkaError.none : .offsetMetadataTooLarge
            }
        } catch {
            return wanted.mapValues { _ in error }
        }
    }

    private func checkCommit(_ groupID: String, _ memberID: String, instanceID: String?, generation: Int32)
        throws(KafkaError)
    {
        guard !groupID.isEmpty else { throw .invalidGroupID }
        guard groups[groupID] != nil else {
            // After a restart the members are unknown; who has never been one may commit all the same.
            if generation >= 0 { throw .illegalGeneration }
            return
        }
        try change(groupID) { (group) throws(KafkaError) in
            try group.checkCommit(memberID, instanceID: instanceID, generation: generation, now: .now)
        }
    }

    func offsets(of groupID: String) -> [TopicPartition: GroupOffsets.Committed] { offsets?.of(groupID) ?? [:] }

    // MARK: Looking at groups

    var groupIDs: [(id: String, protocolType: String)] {
        for id in groups.keys { groups[id]?.expire(now: .now) }
        let live = groups.filter { !$0.value.members.isEmpty }
        return Set(live.keys).union(offsets?.groupIDs ?? []).sorted().map { ($0, live[$0]?.protocolType ?? "consumer") }
    }

    func description(of groupID: String) -> Description {
        groups[groupID]?.expire(now: .now)
        guard let group = groups[groupID] else {
            let hasOffsets = !(offsets?.of(groupID) ?? [:]).isEmpty
            return hasOffsets ? Description(phase: "Empty", protocolType: "consumer") : Description()
        }
        return Description(
            phase: group.phase.rawValue, protocolType: group.protocolType,
            protocolName: group.phase == .stable ? group.protocolName : "",
            members: group.members.values.sorted { $0.candidate.memberID < $1.candidate.memberID })
    }

    /// Forgets a group that has no members.
    func delete(_ groupID: String) throws(KafkaError) {
        groups[groupID]?.expire(now: .now)
        guard groups[groupID]?.members.isEmpty ?? true else { throw .nonEmptyGroup }
        let known = offsets?.of(groupID) ?? [:]
        guard groups[groupID] != nil || !known.isEmpty else { throw .groupNotFound }
        try offsets?.remove(groupID)
        groups[groupID] = nil
    }
}
